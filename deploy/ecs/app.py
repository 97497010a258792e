"""The CDK app. SITE names the file of the site; what must not be deployed is refused here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # ours, and the code that is deployed

from aws_cdk import App  # noqa: E402
from refusals import Expected, refuse  # noqa: E402
from site_file import Site, read  # noqa: E402
from stack.network import ASKED  # noqa: E402
from stack.site_stack import SiteStack  # noqa: E402


def synthesize(site: Site, outdir: str | None = None) -> dict[str, object]:
    """The CloudFormation template of a site, as plain data."""
    app = App(outdir=outdir, context=json.loads((HERE / "cdk.json").read_text())["context"])
    stack = SiteStack(app, "Parjanya", site)
    return json.loads(
        Path(app.synth().get_stack_by_name(stack.stack_name).template_full_path).read_text()
    )


def expected(site: Site) -> Expected:
    release = site.release
    sides = ["cpu", "gpu", *(["model"] if site.gpu.served else [])]
    images = {release.image(side) for side in sides}
    return Expected(
        images,
        release.version,
        site.dormancy_days,
        site.ui.upload_origins,
        own_key=site.own_key,
        endpoints=ASKED if site.endpoints else (),
        zones=len(site.zones),
    )


def main() -> int:
    site = read(Path(os.environ.get("SITE", HERE / "site.example.yaml")))
    refused = refuse(synthesize(site, os.environ.get("CDK_OUTDIR")), expected(site))
    for why in refused:
        print(f"refused: {why}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
