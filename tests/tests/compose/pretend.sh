#!/bin/sh
# A docker that is made up. It writes down what it is asked, and answers from the files beside it.
answers=$(dirname "$0")/../docker
echo "$*" >>"$answers/asked"
echo "${DOMAIN-unset} ${COMPOSE_FILE-unset} ${BERTH_IMAGE-unset}" >>"$answers/environment"
now=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)

# What is said, and how it ends where that is not well.
say() {
  if [ -e "$answers/$1" ]; then cat "$answers/$1"; fi
}
fail() {
  if [ -e "$answers/$1.fails" ]; then
    cat "$answers/$1.fails" >&2
    exit 1
  fi
}

case "$*" in
"version "*) say version.json && fail version ;;
"info "*) say info.json | sed "s/^{/{\"SystemTime\":\"$now\",/" ;;
"context inspect "*) say context.json ;;
"compose version "*) fail compose-version && say compose-version ;;
"image inspect "*)
  # What somebody else does to the installation meanwhile.
  if [ -e "$answers/meanwhile.env" ]; then mv "$answers/meanwhile.env" "$answers/../state/compose/.env"; fi
  say images.json && fail images
  ;;
*" config "*)
  if [ -e "$answers/config.fails.by-line" ]; then
    # As Compose does of a draft, by its own name and line.
    env=$(echo "$*" | sed 's/.* --env-file \([^ ]*\).*/\1/')
    line=$(grep -n "^$(cat "$answers/config.fails.by-line")=" "$env" | cut -d: -f1)
    sed -i "s#@ENV@#$env#; s#@LINE@#$line#" "$answers/config.fails"
  fi
  fail config && say config.json
  ;;
"ps --all "*) if [ -e "$answers/containers.json" ]; then echo some; fi ;;
"container inspect "*)
  # As the real one does of what is gone since.
  cat "$answers/containers.json" 2>/dev/null || { echo "[]" && exit 1; }
  ;;
"ps --format "*) say publishers ;;
"volume ls "*) say volumes ;;
"pull "*)
  fail pull
  if [ -e "$answers/images-pulled.json" ]; then cp "$answers/images-pulled.json" "$answers/images.json"; fi
  ;;
"compose up "*)
  # How it is while Compose is at it.
  if [ -e "$answers/containers-first.json" ]; then
    mv "$answers/containers-first.json" "$answers/containers.json"
    looks=$(grep -c '^container inspect' "$answers/asked")
    while [ "$(grep -c '^container inspect' "$answers/asked")" -lt $((looks + 3)) ]; do sleep 0.05; done
  fi
  sed "s/@NOW@/$now/g; s#@PLACE@#$PWD#g" "$answers/containers-up.json" >"$answers/containers.new"
  mv "$answers/containers.new" "$answers/containers.json"
  if [ -e "$answers/up-lasts" ]; then exec sleep 600; fi
  fail up
  ;;
"compose down "*)
  rm -f "$answers/containers.json"
  # It may leave some, by failing or by taking its time.
  if [ -e "$answers/containers-left.json" ]; then mv "$answers/containers-left.json" "$answers/containers.json"; fi
  if [ -e "$answers/down-lasts" ]; then exec sleep 600; fi
  fail down
  # Of the volumes those go that the files name: a name on each line of their own.
  case "$*" in *" --volumes") if [ -e "$answers/volumes" ]; then sed -i '/_of_another_store$/!d' "$answers/volumes"; fi ;; esac
  ;;
"volume rm "*) rm -f "$answers/volumes" ;;
"compose rm "*) ;;
"compose logs "*" --follow"*) say logs && exec sleep 600 ;;
"compose logs "*) say logs ;;
"compose exec "*" status --json" | "exec "*" status --json")
  # Another program each time that a restart was asked for.
  pid=$(grep -c 'berth-init restart$' "$answers/asked")
  echo "{\"role\":\"imap\",\"version\":\"0\",\"init\":1,\"main\":{\"pid\":1$pid,\"stopped\":false},\"state\":\"ready\",\"for_ms\":1,\"ready_after_ms\":1,\"restarts\":$pid,\"waiting_for\":[],\"ports\":[],\"certificate\":null,\"needs\":[]}"
  ;;
# What the application knows of accounts.
"compose exec "*" admin.js user list --json") fail list && echo "[]" ;;
"compose exec "*" admin.js user add "*)
  touch "$answers/adding"
  while [ -e "$answers/add-waits" ]; do sleep 0.05; done
  ;;
"compose exec "*" berth-init health") fail health && fail exec && echo "done" ;;
"compose exec "*) fail exec && echo "done" ;;
"events "*)
  say events
  exec sleep 600
  ;;
*)
  echo "this docker was not made up for: $*" >&2
  exit 1
  ;;
esac
