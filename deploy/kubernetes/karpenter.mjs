// Objects on standard input, their complaints on standard output: Karpenter's schemas, as npm has them.
import { readFileSync } from "node:fs";
import { NodePool } from "@kubernetes-models/karpenter/karpenter.sh/v1";
import { EC2NodeClass } from "@kubernetes-models/karpenter/karpenter.k8s.aws/v1";

const kinds = { NodePool, EC2NodeClass };
const complaints = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[one.kind](one).validate();
  } catch (error) {
    complaints.push({ name: `${one.kind}/${one.metadata.name}`, said: error.message });
  }
}
console.log(JSON.stringify(complaints));
