#!/usr/bin/env bash
# ansible-test sanity of both collections, with the Python and the ansible-core that are first on PATH. It wants a
# collection at its real place in a tree of collections, so they get copies there.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
core=$(python -c 'import importlib.metadata as m; print(m.version("ansible-core"))')
build=$checkout/build/sanity/core-$core-python-$version

rm -rf "$build/ansible_collections"
tree=$build/ansible_collections/llmops
cache=$build/home/.ansible/test/cache
mkdir -p "$tree/maas" "$tree/embedded" "$build/ansible_collections/kubernetes" "$cache"
copy() { # FOLDER TARGET [PATHSPEC]: what git knows of the folder, or would
  (cd "$1" && git ls-files -co --exclude-standard -z -- . "${@:3}" | tar cf - --null -T - --ignore-failed-read) | tar xf - -C "$2"
  git -C "$2" init --quiet # else the copy is a part of the checkout that git ignores
}
copy "$checkout" "$tree/maas" ':!embedded'
copy "$checkout/embedded" "$tree/embedded"
ln -s "$packages/ansible_collections/kubernetes/core" "$build/ansible_collections/kubernetes/core"

# ansible-test would fetch an installer of pip from a web site, in the release named here; this Python has one.
for release in $(sed -n "s/.*[( ]pip='\([0-9.]*\)'.*/\1/p" "$packages/ansible_test/_internal/python_requirements.py"); do
  printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' >"$cache/get_pip_${release//./_}.py"
done

for collection in maas embedded; do
  echo "llmops.$collection"
  (cd "$tree/$collection" && HOME=$build/home ansible-test sanity --venv --python "$version" "$@")
done
