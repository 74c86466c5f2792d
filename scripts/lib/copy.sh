# shellcheck shell=bash
# Copies of the source in which one thing after the other is broken, to see that a test notices.

# copy_source FOLDER: a copy of the source as it is now.
copy_source() {
  mkdir -p "$1"
  git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read |
    tar --extract --directory "$1"
}
