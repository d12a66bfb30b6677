#!/usr/bin/env bash
# Waits until the new version is ready: /health/live shows the version of this checkout and RELEASE, and /health/ready is 200.
# Inputs: SERVICE_URL, RELEASE; PROBE_TRIES (60) and PROBE_PAUSE_SEC (5) limit the wait.
set -euo pipefail
: "${SERVICE_URL:?set the variable SERVICE_URL of this environment}"
: "${RELEASE:?}"
version="$(node -p "require('./package.json').version")+$RELEASE"
tries=${PROBE_TRIES:-60}
ready=''
for ((try = 1; try <= tries; try++)); do
  live=$(curl -fsS --max-time 10 "$SERVICE_URL/health/live" 2>/dev/null || true)
  if [[ $live == *"\"version\":\"$version\""* ]]; then
    ready=$(curl -sS --max-time 10 -w '\n%{http_code}' "$SERVICE_URL/health/ready" || true)
    if [[ ${ready##*$'\n'} == 200 ]]; then
      echo "Version $version is ready."
      exit 0
    fi
  fi
  if ((try < tries)); then sleep "${PROBE_PAUSE_SEC:-5}"; fi
done
echo "Version $version is not ready after $tries tries." >&2
echo "/health/live:  ${live:-no answer}" >&2
echo "/health/ready: ${ready:-not requested, because another version answered}" >&2
exit 1
