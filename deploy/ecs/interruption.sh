#!/bin/sh
# Tells the runs on a spot machine that it is taken back. It runs as root, on the machine itself.
#
# EC2 says so two minutes ahead, at an address that containers do not reach. ECS then stops the tasks
# of services; runs belong to none, and would be killed with the machine. At SIGTERM a run commits
# what is done and hands the rest back.
metadata=${METADATA:-http://169.254.169.254/latest}
pause=${PAUSE:-5}
while sleep "$pause"; do
    token=$(curl -fsS -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token") \
        || continue
    curl -fs -m 2 -o /dev/null -H "X-aws-ec2-metadata-token: $token" \
        "$metadata/meta-data/spot/instance-action" || continue
    runs=$(docker ps -q --filter label=com.amazonaws.ecs.container-name=run) || continue
    for run in $runs; do
        docker kill --signal=TERM "$run"
    done
    exit 0
done
