"""Everything that Dagster loads, as a snapshot; and what loading must not cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from parjanya_dagster.instance.home import dagster_config
from parjanya_dagster.settings import Settings

ROOT = Path(__file__).parents[3]

DESCRIBE = """
import json, sys
from parjanya_dagster.definitions import defs
repository = defs.get_repository_def()
graph = repository.asset_graph
assets = {}
for key in sorted(graph.get_all_asset_keys()):
    node = graph.get(key)
    backfill = node.backfill_policy
    assets[key.path[-1]] = {
        "upstream": sorted(parent.path[-1] for parent in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "partitions": getattr(node.partitions_def, "name", None),
        "one run per range": backfill is not None and backfill.max_partitions_per_run is None,
        "materializable": node.is_materializable,
    }
names = [name for name in repository.job_names if not name.startswith("__")]
jobs = {}
for name in sorted(names):
    job = repository.get_job(name)
    jobs[name] = {
        "assets": sorted(key.path[-1] for key in job.asset_layer.selected_asset_keys),
        "lane": job.tags.get("parjanya/lane"),
        "partitions": getattr(job.partitions_def, "name", None),
        "executor": job.executor_def.name,
    }
json.dump(
    {
        "assets": assets,
        "jobs": jobs,
        "sensors": {
            one.name: [one.default_status.value, sorted(target.job_name for target in one.targets)]
            for one in repository.sensor_defs
        },
        "schedules": {
            one.name: [one.default_status.value, one.job_name, one.cron_schedule]
            for one in repository.schedule_defs
        },
        "by hand": repository.get_implicit_asset_job_names()
        and repository.get_job(repository.get_implicit_asset_job_names()[0]).executor_def.name,
        "checks": sorted(f"{key.asset_key.path[-1]}.{key.name}" for key in graph.asset_check_keys),
        "modules": sorted({module.split(".")[0] for module in sys.modules}),
    },
    sys.stdout,
)
"""
HEAVY = (
    *("torch", "torchvision", "transformers", "pyiqa", "onnxruntime", "rapidocr_onnxruntime"),
    *("pandas", "pyarrow", "scipy", "pyvips", "cv2", "rawpy", "pillow_heif", "boto3", "fastapi"),
)


def loaded(home: Path, **settings: str) -> dict[str, Any]:
    """What a fresh process loads."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PARJANYA_", "DAGSTER_"))
    }
    environment |= {"PARJANYA_HOME": str(home)}
    environment |= {f"PARJANYA_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DESCRIBE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    description: dict[str, Any] = json.loads(done.stdout)
    return description


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return loaded(tmp_path_factory.mktemp("definitions") / "home")


def stage(upstream: str, *kinds: str) -> dict[str, Any]:
    return {
        "upstream": [upstream],
        "group": "images",
        "kinds": sorted(kinds),
        "partitions": "image_batches",
        "one run per range": True,
        "materializable": True,
    }


def test_the_assets_are_the_stages_over_one_set_of_partitions(embedded: dict[str, Any]) -> None:
    assert embedded["assets"] == {
        "uploads": {
            "upstream": [],
            "group": "images",
            "kinds": ["file"],
            "partitions": None,
            "one run per range": False,
            "materializable": False,
        },
        "validated": stage("uploads", "vips"),
        "enriched": stage("validated", "onnx"),
        "scored": stage("enriched", "numpy"),
        "curated": stage("scored", "parquet", "yaml"),
        "released": {
            **stage("curated", "parquet"),
            "partitions": "releases",
            "one run per range": False,
        },
        "taste": {
            **stage("curated", "json", "numpy"),
            "partitions": "tastes",
            "one run per range": False,
        },
    }


def test_the_embedded_lane_is_one_job_with_all_stages(embedded: dict[str, Any]) -> None:
    assert embedded["jobs"]["embedded_lane_job"] == {
        "assets": ["curated", "enriched", "scored", "validated"],
        "lane": "embedded",
        "partitions": "image_batches",
        "executor": "in_process",
    }
    assert embedded["jobs"].keys() == {
        "embedded_lane_job",
        "release_job",
        "retention_job",
        "taste_job",
    }


def test_a_release_is_a_partition_of_a_job_of_its_own(embedded: dict[str, Any]) -> None:
    assert embedded["jobs"]["release_job"] == {
        "assets": ["released"],
        "lane": None,
        "partitions": "releases",
        "executor": "in_process",
    }


def test_what_is_launched_from_an_assets_page_is_one_process_too(embedded: dict[str, Any]) -> None:
    """A process for each step would import everything and load the models once more."""
    assert embedded["by hand"] == "in_process"


def test_what_is_old_is_let_go_every_night(embedded: dict[str, Any]) -> None:
    assert embedded["jobs"]["retention_job"] == {
        "assets": [],
        "lane": None,
        "partitions": None,
        "executor": "in_process",
    }
    assert embedded["schedules"] == {
        "retention_schedule": ["RUNNING", "retention_job", "17 3 * * *"]
    }


def test_the_split_lanes_are_a_job_each(tmp_path: Path) -> None:
    split = loaded(tmp_path / "home", lanes__layout="split")
    lanes = {name: job["assets"] for name, job in split["jobs"].items() if job["lane"]}
    assert lanes == {
        "cpu_lane_job": ["validated"],
        "gpu_lane_job": ["curated", "enriched", "scored", "validated"],
    }
    assert split["sensors"]["pending_rows"] == ["RUNNING", ["cpu_lane_job", "gpu_lane_job"]]


def test_both_loops_run_by_default(embedded: dict[str, Any]) -> None:
    assert embedded["sensors"] == {
        "arrivals": ["RUNNING", []],
        "pending_rows": ["RUNNING", ["embedded_lane_job"]],
        "releases": ["RUNNING", ["release_job"]],
        "tastes": ["RUNNING", ["taste_job"]],
    }


def test_the_checks_watch_what_is_curated(embedded: dict[str, Any]) -> None:
    assert embedded["checks"] == [
        "curated.conservation",
        "curated.decided_under_pin",
        "curated.doctor_finds_nothing",
        "curated.failure_rate",
        "curated.no_rows_stuck",
        "curated.runs_as_declared",
    ]


def test_loading_imports_no_model_library_and_makes_no_files(
    embedded: dict[str, Any], tmp_path: Path
) -> None:
    assert not set(embedded["modules"]) & set(HEAVY)
    loaded(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_the_files_for_dagster_dev_say_what_parjanya_up_writes(tmp_path: Path) -> None:
    root = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    written = dagster_config(Settings(home=tmp_path))
    written.pop("run_launcher", None)  # nothing of `dagster dev` forks runs
    assert root.pop("storage") == {"sqlite": {"base_dir": ".parjanya/dagster/storage"}}
    written.pop("storage")
    assert root == written
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == "parjanya_dagster.definitions"
