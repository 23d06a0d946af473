# SPDX-License-Identifier: Apache-2.0
"""`python3 images/sbom.py NAME VERSION ROOT...`: what an image holds, as CycloneDX JSON on standard output.

Looks in each ROOT for what `images/rootfs` left of Debian's packages and for the metadata of Python's under opt/. Needs
nothing but Python.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

Component = dict[str, Any]


def document(name: str, version: str, roots: Sequence[Path]) -> dict[str, Any]:
    """The bill of materials of the trees under `roots`. The same trees give the same document."""
    found = (component for root in roots for component in (*_debian(root), *_python(root)))
    components = sorted(found, key=lambda each: str(each["purl"]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "container", "bom-ref": name, "name": name, "version": version},
        },
        "components": components,
    }


def _debian(root: Path) -> Iterator[Component]:
    for path in (root / "var/lib/dpkg/status.d").glob("*"):
        fields = HeaderParser().parsestr(path.read_text("utf-8"))
        name, version = fields["Package"], fields["Version"]
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={fields['Architecture']}&distro=trixie"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _python(root: Path) -> Iterator[Component]:
    for path in root.glob("opt/**/*.dist-info/METADATA"):
        fields = HeaderParser().parsestr(path.read_text("utf-8"))
        name, version = fields["Name"].lower().replace("_", "-"), fields["Version"]
        purl = f"pkg:pypi/{name}@{version}"
        component: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        if fields["License-Expression"]:
            component["licenses"] = [{"expression": fields["License-Expression"]}]
        yield component


def main() -> int:
    name, version, *roots = sys.argv[1:]
    json.dump(document(name, version, [Path(root) for root in roots]), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
