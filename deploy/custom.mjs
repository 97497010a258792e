// Objects on standard input, complaints on standard output: the schemas of operators, as npm has them.
import { readFileSync } from "node:fs";
import { NodePool } from "@kubernetes-models/karpenter/karpenter.sh/v1";
import { EC2NodeClass } from "@kubernetes-models/karpenter/karpenter.k8s.aws/v1";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { PrometheusRule, ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1";

const kinds = {
  NodePool, EC2NodeClass, HTTPRoute, ScaledObject, PrometheusRule, ServiceMonitor, ExternalSecret,
};
const complaints = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[one.kind](one).validate();
  } catch (error) {
    complaints.push({ name: `${one.kind}/${one.metadata.name}`, said: error.message });
  }
}
console.log(JSON.stringify(complaints));
