#!/usr/bin/env bash
# ansible-test sanity with the Python and the ansible-core that are first on PATH. It wants the collection at its real
# place in a tree of collections, so it gets a copy there.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
core=$(python -c 'import importlib.metadata as m; print(m.version("ansible-core"))')
build=$checkout/build/sanity/core-$core-python-$version

rm -rf "$build/ansible_collections"
target=$build/ansible_collections/llmops/maas
cache=$build/home/.ansible/test/cache
mkdir -p "$target" "$build/ansible_collections/kubernetes" "$cache"
(cd "$checkout" && git ls-files -co --exclude-standard -z | tar cf - --null -T - --ignore-failed-read) | tar xf - -C "$target"
git -C "$target" init --quiet # else the copy is a part of the checkout that git ignores
ln -s "$packages/ansible_collections/kubernetes/core" "$build/ansible_collections/kubernetes/core"

# ansible-test would fetch an installer of pip from a web site, in the release named here; this Python has one.
for release in $(sed -n "s/.*[( ]pip='\([0-9.]*\)'.*/\1/p" "$packages/ansible_test/_internal/python_requirements.py"); do
  printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' >"$cache/get_pip_${release//./_}.py"
done

cd "$target"
HOME=$build/home exec ansible-test sanity --venv --python "$version" "$@"
