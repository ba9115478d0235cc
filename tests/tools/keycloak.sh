#!/usr/bin/env bash
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The tests of tokens with a real Keycloak in the place of the stand-in. Needs Java 17 or newer and Maven.
set -euo pipefail

version=$(sed -n 's|^  keycloak: .*/keycloak:||p' roles/maas/defaults/main/versions.yml)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/llmops-maas/keycloak
home=$cache/keycloak-$version

for program in java mvn; do
    command -v "$program" >/dev/null || { echo "there is no $program: install Java 17 or newer, and Maven" >&2; exit 1; }
done
if [ ! -x "$home/bin/kc.sh" ]; then
    echo ">> Keycloak $version (180 MB, about 1 min)"
    mkdir -p "$cache"
    part=$(mktemp -d "$cache/part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" -DoutputDirectory="$part"
    tar --extract --gzip --file "$part/keycloak-quarkus-dist-$version.tar.gz" --directory "$part"
    mv "$part/keycloak-$version" "$home"
fi
echo ">> tests of tokens with Keycloak $version (about 4 min)"
LLMOPS_MAAS_KEYCLOAK=$home python -m pytest -q tests/integration/test_verify.py -k 'token or sound or issuer' --durations=5
