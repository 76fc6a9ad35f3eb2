# bash completion for small; source it, or put it into bash-completion's folder.
_small() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local at="" value="" words word
  COMPREPLY=()
  case $prev in
    -o|--output) COMPREPLY=($(compgen -W "table json jsonl csv" -- "$cur")); return ;;
    --related) COMPREPLY=($(compgen -W "delete keep refuse" -- "$cur")); return ;;
    --on-existing) COMPREPLY=($(compgen -W "skip update error" -- "$cur")); return ;;
    --on-drift) COMPREPLY=($(compgen -W "stop skip" -- "$cur")); return ;;
    --view) COMPREPLY=($(compgen -W "names changes events" -- "$cur")); return ;;
    --file|--report|--token-file|--from|--ids-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ -n "$value" ]; then
      [ "$word" = "=" ] || value=""
      continue
    fi
    case $word in
      --file|--output|-o) value=yes ;;
    esac
    case "$at $word" in
      " things"|" things list"|" things get"|" version") at+=" $word" ;;
    esac
  done
  case $at in
    "") words="things version --help --output" ;;
    " things") words="list get --help --output" ;;
    " things list") words="--help --all --output" ;;
    " things get") words="--help --file --output" ;;
    " version") words="--help --output" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$cur"))
}
complete -F _small small
