#!/usr/bin/env bash
# Checks out the release that production runs: REF, or the newest tag v*. Without either, the checkout stays as it is.
set -euo pipefail
ref=${REF:-$(git tag --list 'v*' --sort=-version:refname | head -n 1)}
if [[ -n $ref ]]; then git checkout --quiet --detach "$ref"; fi
git log -1 --format='Comparing with %h %s'
