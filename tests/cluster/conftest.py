"""One control plane for all tests, with the chart's objects of a team in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.control_plane import NAMESPACE, ControlPlane, missing
from tests.cluster.site import OPERATORS, SITE
from tests.deploy.objects import objects


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)}: `make cluster-check` builds them")
    plane = ControlPlane(tmp_path_factory.mktemp("control_plane"))
    try:
        plane.start()
        plane.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def installed(api: ControlPlane) -> ControlPlane:
    """What Helm would create, in its order of kinds as far as that matters."""
    ours = [one for one in objects(SITE) if one["kind"] not in OPERATORS]
    first = ("PriorityClass", "ServiceAccount", "ConfigMap", "Role", "RoleBinding")
    for one in sorted(ours, key=lambda one: one["kind"] not in first):
        api.create(one)
    return api
