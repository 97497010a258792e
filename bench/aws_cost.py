"""What an image costs on AWS: requests, units and dollars of DynamoDB, S3 and SQS.

    python -m bench.aws_cost [--json FILE] [--bursts 1,50,1000] [--before 500] [--layout embedded]

The chain is the real one: notification, mailbox, reconciler, all lanes' stages, manifest. Engines
answer for the first pictures and repeat these answers, which changes no request. DynamoDB, S3 and
SQS are moto's emulator; `bench.dynamo_units` counts by AWS's rules, and prices are data
(`aws_prices.yaml`). Not in it: machines, Dagster's PostgreSQL, storage, traffic, logs, what the
uploader pays for its own PUT.

Bursts land in a batch that has 500 decided images already, the middle of its growth. Two single
images come, five minutes apart: with the pause of the stack, one of them finds its manifest due.
Between bursts the platform looks for work: that is the idle hour, apart.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import yaml

from bench.aws_meter import Bill, Meter
from bench.aws_site import OWN, Site
from tests.support.servers import MotoServer

PRICES = Path(__file__).with_name("aws_prices.yaml")
BEFORE = 500  # decided images in the batch that bursts come into
TIMES = {1: 2}  # how often a burst of this size is measured; others once
GAP = 300.0  # seconds between bursts
LOOK, TICK, HOUR = 5.0, 20.0, 3600.0  # seconds: of a long poll, of a tick of the reconciler


def measure(bursts: Sequence[int], before: int = BEFORE, layout: str = "split") -> dict[str, Any]:
    """The bill of each size of burst, per image, and of an idle hour."""
    prices = yaml.safe_load(PRICES.read_text())["per_million"]
    meter, figures = Meter(), {}
    moto = MotoServer()
    moto.start()
    os.environ.update(moto.environment)
    try:
        with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder, meter.listening():
            site = Site(Path(folder) / "home", meter, layout)
            site.burst(OWN)
            site.fill(before - OWN)
            site.know_paces()
            for count in bursts:
                times = TIMES.get(count, 1)
                runs = 0
                with meter.counting() as bill:
                    for _ in range(times):
                        runs += site.burst(count)
                        site.clock.pass_by(GAP)
                figures[f"burst of {count}"] = _per_image(bill, count * times, runs, prices)
            site.clock.pass_by(HOUR)
            site.settle()
            figures["idle hour"] = _idle(site, prices)
    finally:
        moto.remove()
    return figures


def _idle(site: Site, prices: dict[str, float]) -> dict[str, Any]:
    """What an hour costs in which nothing arrives: the mailbox and the reconciler look."""
    with site.meter.counting() as of_looks:
        site.look()
    with site.meter.counting() as of_ticks:
        site.tick()
    looks, ticks = HOUR / LOOK, HOUR / TICK
    dollars = of_looks.dollars(prices) * looks + of_ticks.dollars(prices) * ticks
    return {
        "dollars_per_month": round(dollars * 730, 2),
        "requests": round(
            sum(of_looks.requests.values()) * looks + sum(of_ticks.requests.values()) * ticks
        ),
        "of_a_look": dict(of_looks.requests),
        "of_a_tick": dict(of_ticks.requests),
    }


def _per_image(bill: Bill, images: int, runs: int, prices: dict[str, float]) -> dict[str, Any]:
    def each(counted: Counter[str]) -> dict[str, float]:
        return {name: round(n / images, 3) for name, n in counted.most_common() if n}

    of_dynamo = sum(n for name, n in bill.requests.items() if name.startswith("dynamodb."))
    return {
        "images": images,
        "runs": runs,
        "dollars_per_million": round(bill.dollars(prices) / images * 1e6, 2),
        "requests": round(sum(bill.requests.values()) / images, 2),
        "dynamodb_requests": round(of_dynamo / images, 2),
        **each(bill.units),
        "by_operation": each(bill.requests),
        "writes_by_item": each(bill.writes),
        "reads_by_item": each(bill.reads),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--bursts", default="1,50,1000", help="sizes, one after the other")
    parser.add_argument("--before", type=int, default=BEFORE, help="decided images of the batch")
    parser.add_argument("--layout", default="split", choices=["split", "embedded"], help="of lanes")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    bursts = [int(size) for size in options.bursts.split(",")]
    figures = measure(bursts, options.before, options.layout)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
