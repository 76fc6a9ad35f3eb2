#compdef small
# zsh completion; put it as _small into a folder of $fpath.
_small() {
  local cur=${words[CURRENT]} prev=${words[CURRENT-1]}
  local at="" value="" next word
  case $prev in
    -o|--output) compadd -- table json jsonl csv; return ;;
    --related) compadd -- delete keep refuse; return ;;
    --on-existing) compadd -- skip update error; return ;;
    --on-drift) compadd -- stop skip; return ;;
    --view) compadd -- names changes events; return ;;
    --file|--report|--token-file|--from|--ids-file) _files; return ;;
  esac
  for word in ${words[2,CURRENT-1]}; do
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
    "") next="things version --help --output" ;;
    " things") next="list get --help --output" ;;
    " things list") next="--help --all --output" ;;
    " things get") next="--help --file --output" ;;
    " version") next="--help --output" ;;
  esac
  compadd -- ${(s: :)next} || _files
}
if [ "$funcstack[1]" = "_small" ]; then _small "$@"; else compdef _small small; fi
