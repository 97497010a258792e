"""An AWS account as the stack would leave it, in moto: cluster, task definitions, a machine.

moto is an emulator. It starts no container, gives no GPU, and takes a task for running at once.
By itself it also ends a task after it was looked at a few times; here tasks go on.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

CLUSTER = "parjanya"
GPUS = "parjanya-gpus"


@dataclass
class Account:
    """What the launcher needs to find."""

    ecs: Any
    cpu_run: str  # task definitions, by ARN
    gpu_run: str
    daemon_task: str  # the task in which the launcher believes itself

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Tasks of runs, by the id of their run."""
        arns = self.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
        arns += self.ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
        found = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]
        named = {}
        for task in found:
            tags = {one["key"]: one["value"] for one in task.get("tags", [])}
            if "dagster/run_id" in tags:
                named[tags["dagster/run_id"]] = task
        return named


def create_account(url: str, region: str) -> Account:
    """Make it in the emulator at this address, to which the environment points too."""
    _tasks_go_on(url)
    ecs, ec2 = boto3.client("ecs", region), boto3.client("ec2", region)
    ecs.create_cluster(clusterName=CLUSTER)
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(
        GroupName="parjanya", Description="inside", VpcId=subnet["VpcId"]
    )["GroupId"]
    _machine(ecs, ec2, subnet["SubnetId"])
    cpu_run, gpu_run = (
        ecs.register_task_definition(
            family=f"parjanya-{side}-run",
            networkMode="awsvpc",
            containerDefinitions=[
                {"name": "run", "image": f"registry.example/parjanya-{side}:0.1.0", "memory": 1024}
            ],
        )["taskDefinition"]["taskDefinitionArn"]
        for side in ("cpu", "gpu")
    )
    network = {"awsvpcConfiguration": {"subnets": [subnet["SubnetId"]], "securityGroups": [group]}}
    daemon = ecs.run_task(
        cluster=CLUSTER, taskDefinition=cpu_run, launchType="FARGATE", networkConfiguration=network
    )["tasks"][0]["taskArn"]
    return Account(ecs, cpu_run, gpu_run, daemon)


def _tasks_go_on(url: str) -> None:
    looks = {"progression": "manual", "times": 1_000_000}
    request = urllib.request.Request(
        f"{url}/moto-api/state-manager/set-transition",
        data=json.dumps({"model_name": "ecs::task", "transition": looks}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60):
        return


def _machine(ecs: Any, ec2: Any, subnet: str) -> None:
    """One machine in the cluster: moto places no task of a capacity provider without."""
    image = ec2.describe_images()["Images"][0]["ImageId"]
    machine = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet)
    identity = {"instanceId": machine["Instances"][0]["InstanceId"], "version": "2010-08-31"}
    ecs.register_container_instance(cluster=CLUSTER, instanceIdentityDocument=json.dumps(identity))


@contextmanager
def metadata(account: Account) -> Iterator[str]:
    """What ECS tells a task of itself, on loopback. Yields ECS_CONTAINER_METADATA_URI_V4."""
    said = json.dumps({"Cluster": CLUSTER, "TaskARN": account.daemon_task}).encode()

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(600)
        server.server_close()
