#!/bin/sh
# ACTION=copy puts every file of BUNDLE into DAGS, each at once or not at all, and removes what an earlier version
# had put there and this one no longer has. ACTION=remove takes away exactly the files that were put there.
set -eu

bundle=${BUNDLE:-/bundle}
dags=${DAGS:-/kaapana/mounted/workflows/dags}
list=$dags/multimodal_operators/.installed

remove_file() {
    rm -f "$dags/$1"
    folder=$(dirname "$dags/$1")
    rm -rf "$folder/__pycache__"
    while [ "$folder" != "$dags" ] && rmdir "$folder" 2>/dev/null; do folder=$(dirname "$folder"); done
}

remove_listed() { # all files of the list, but for those that $1 names
    [ -f "$list" ] || return 0
    cp "$list" "/tmp/installed.$$"
    while IFS= read -r file; do
        grep -qxF "$file" "$1" || remove_file "$file"
    done <"/tmp/installed.$$"
    rm -f "/tmp/installed.$$"
}

case "${ACTION:-}" in
copy)
    (cd "$bundle" && find . -type f | sed 's#^\./##' | sort) >"/tmp/bundle.$$"
    remove_listed "/tmp/bundle.$$"
    while IFS= read -r file; do
        mkdir -p "$(dirname "$dags/$file")"
        cp "$bundle/$file" "$dags/$file.part"
        mv "$dags/$file.part" "$dags/$file"
    done <"/tmp/bundle.$$"
    mv "/tmp/bundle.$$" "$list"
    echo "installed $(wc -l <"$list") files into $dags"
    ;;
remove)
    : >"/tmp/none.$$"
    files=$([ -f "$list" ] && wc -l <"$list" || echo 0)
    # The list goes first, so that its folder can go with its last file.
    if [ -f "$list" ]; then
        mv "$list" "/tmp/list.$$"
        list=/tmp/list.$$
        remove_listed "/tmp/none.$$"
        rm -f "/tmp/list.$$"
    fi
    rm -f "/tmp/none.$$"
    echo "removed $files files from $dags"
    ;;
*)
    echo "set ACTION to copy or remove, not '${ACTION:-}'" >&2
    exit 2
    ;;
esac
