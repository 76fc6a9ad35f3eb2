# fish completion for small; put it into ~/.config/fish/completions/small.fish
complete -c small -f -n '__fish_use_subcommand' -a things -d 'what there is'
complete -c small -f -n '__fish_use_subcommand' -a version -d 'which one'
complete -c small -l help -d 'help'
complete -c small -l output -r -f -a 'table json jsonl csv' -d 'format'
complete -c small -f -n '__fish_seen_subcommand_from things; and not __fish_seen_subcommand_from list get' -a list -d 'lists things, isn\'t it'
complete -c small -f -n '__fish_seen_subcommand_from things; and not __fish_seen_subcommand_from list get' -a get -d 'one thing'
complete -c small -n '__fish_seen_subcommand_from things; and __fish_seen_subcommand_from list' -l all -d 'all of them'
complete -c small -n '__fish_seen_subcommand_from things; and __fish_seen_subcommand_from get' -l file -r -d 'where'
