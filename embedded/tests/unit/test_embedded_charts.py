# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts become the manifests that helm template would give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.charts import render
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

FILES = {
    "Chart.yaml": "apiVersion: v2\nname: top\nversion: 1.0.0\ndependencies:\n  - {name: below, version: 1.0.0}\n",
    "values.yaml": "on: false\nhow: plain\n",
    "crds/things.yaml": "kind: CustomResourceDefinition\nmetadata: {name: things}\n",
    "templates/NOTES.txt": "Thank you\n",
    "templates/_part.tpl": '{{ define "part" }}{{ .Release.Name }}-part{{ end }}\n',
    "templates/two.yaml": 'kind: A\nmetadata: {name: {{ include "part" . }}}\n{{- if .Values.on }}\n\n'
    "{{- /* the end of the line is trimmed */}}\n---\n{{- end }}# a comment\nkind: B\n"
    "metadata: {name: b, namespace: {{ .Release.Namespace }}, labels: {how: {{ .Values.how | quote }}}}\n",
    "templates/hook.yaml": 'kind: Job\nmetadata:\n  name: check\n  annotations:\n    "helm.sh/hook": post-install\n',
    "templates/none.yaml": '{{ if not (kindIs "bool" .Values.on) }}kind: C{{ end }}\n# only a comment\n',
    "charts/below/Chart.yaml": "apiVersion: v2\nname: below\nversion: 1.0.0\n",
    "charts/below/templates/d.yaml": "kind: D\nmetadata: {name: d}\n",
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "top"


def objects(chart: Path, **values: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(part) for part in render(chart, "rel", "space", values)]


def test_a_chart_gives_crds_templates_and_subcharts_without_hooks(chart: Path) -> None:
    found = objects(chart, on="true", how="a\\,b")
    assert found[0] == {"kind": "CustomResourceDefinition", "metadata": {"name": "things"}}
    assert sorted((item["kind"], item["metadata"]["name"]) for item in found[1:]) == [
        ("A", "rel-part"),
        ("B", "b"),
        ("D", "d"),
    ]
    (second,) = (item for item in found if item["kind"] == "B")
    assert second["metadata"] == {"name": "b", "namespace": "space", "labels": {"how": "a,b"}}


def test_helms_own_words_are_in_the_error(chart: Path) -> None:
    (chart / "templates" / "two.yaml").write_text('{{ fail "on is needed" }}')
    with pytest.raises(SuperviseError, match=r"Helm says: .*on is needed"):
        render(chart, "rel", "space", {})
    with pytest.raises(SuperviseError, match=r"Helm says: .*Chart\.yaml"):
        render(chart / "templates", "rel", "space", {})


def test_ansible_itself_does_not_load_the_library() -> None:
    """Its workers are forks, in which a library in Go hangs."""
    action = "ansible_collections.llmops.embedded.plugins.action.mirror"
    code = f"import sys, {action}; sys.exit('helm_python' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
