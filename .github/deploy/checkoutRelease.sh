#!/usr/bin/env bash
# Takes the release that production runs: REF, or the newest tag v*, or what is checked out where there is no tag.
set -euo pipefail
ref=${REF:-$(git tag --list 'v*' --sort=-version:refname | head -n 1)}
if [[ -n $ref ]]; then git checkout --quiet --detach "$ref"; fi
git log -1 --format='Comparing with %h %s'
