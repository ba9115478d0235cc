#!/usr/bin/env bash
# ansible-test wants the collection at its real place in a tree of collections, so it gets a copy there.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
build=$checkout/build/sanity
collections=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

rm -rf "$build/ansible_collections"
target=$build/ansible_collections/llmops/maas
mkdir -p "$target" "$build/ansible_collections/kubernetes" "$build/home/.ansible/test/cache"
(cd "$checkout" && git ls-files -co --exclude-standard -z | tar cf - --null -T - --ignore-failed-read) | tar xf - -C "$target"
git -C "$target" init --quiet # else the copy is a part of the checkout that git ignores
ln -s "$collections/kubernetes/core" "$build/ansible_collections/kubernetes/core"

# ansible-test would fetch an installer of pip from a web site; this Python has one.
for release in 23_1_2 24_2 25_2; do
  printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' >"$build/home/.ansible/test/cache/get_pip_$release.py"
done

cd "$target"
HOME=$build/home exec ansible-test sanity --venv --python "$version" "$@"
