#!/usr/bin/env bash
# The two steps that only your host can do. Everything around them is in .github/workflows/deploy.yml.
#
#   host.sh backup   make a restorable copy of the database; nothing is migrated unless this succeeds
#   host.sh deploy   replace the running version; the database is migrated and verified by now
#
# Inputs, from the environment:
#   ENVIRONMENT      staging | production
#   RELEASE          the commit that is checked out here; give it to the server as its setting RELEASE, so that
#                    /health/live tells the new version from the old
#   DEPLOY_TOKEN     the secret of that name, for your host's command line
#
# Must exit 0 only when the step is done, and other than 0 otherwise.
set -euo pipefail
: "${ENVIRONMENT:?}" "${RELEASE:?}"

# ==== FILL IN FOR YOUR HOST ==========================================================================
backup() {
  echo "host.sh: no backup is set up for $ENVIRONMENT" >&2
  return 1
}
deploy() {
  echo "host.sh: no deployment is set up for $ENVIRONMENT (release $RELEASE)" >&2
  return 1
}
# =====================================================================================================

case "${1:-}" in
  backup | deploy) "$1" ;;
  *)
    echo 'usage: host.sh backup|deploy' >&2
    exit 64
    ;;
esac
