#!/usr/bin/env bash
# The two steps that depend on your host. All other steps are in .github/workflows/deploy.yml.
#
#   host.sh backup   make a restorable copy of the database; if this fails, nothing is migrated
#   host.sh deploy   replace the running version; the database is already migrated and verified
#
# Inputs, from the environment:
#   ENVIRONMENT      staging | production
#   RELEASE          the commit that is checked out here; set the server's RELEASE to it, so that /health/live
#                    distinguishes the new version from the old
#   DEPLOY_TOKEN     the secret of the same name, for the command-line program of your host
#
# It must exit with 0 if the step succeeded, and with another code if not.
set -euo pipefail
: "${ENVIRONMENT:?}" "${RELEASE:?}"

# ==== FILL IN FOR YOUR HOST ==========================================================================
backup() {
  echo "host.sh: fill in backup() for $ENVIRONMENT" >&2
  return 1
}
deploy() {
  echo "host.sh: fill in deploy() for $ENVIRONMENT (release $RELEASE)" >&2
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
