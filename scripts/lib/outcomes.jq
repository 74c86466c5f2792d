# Reads cargo-mutants' reports on one file, whose text is $source. A line for each change: what came
# of it, the change, its place, where that is for now, and the paths of its diff and its log;
# separated by tabs.
#
# A place is the line as it stands, what is changed of it marked «so»; with a count where the same
# change is made at several lines that read the same.

def place($lines):
  .span as $span
  | $lines[$span.start.line - 1] as $line
  | ($span.start.column - 1) as $from
  | (if $span.start.line == $span.end.line then $span.end.column - 1 else ($line | length) end) as $to
  | $line[0:$from] + "«" + $line[$from:$to] + "»" + $line[$to:]
  | gsub("^\\s+|\\s+$"; "");

($source | split("\n")) as $lines
| [inputs
  | (input_filename | sub("[^/]*$"; "")) as $folder
  | .outcomes[]
  | select(.scenario | objects | has("Mutant"))
  | .scenario.Mutant as $change
  | {
      summary,
      name: ($change.name | sub(":[0-9]+:[0-9]+:"; ":")),
      place: ($change | place($lines)),
      at: [$change.span.start.line, $change.span.start.column],
      file: $change.file,
      diff: ($folder + .diff_path),
      log: ($folder + .log_path)
    }]
| group_by([.name, .place])
| map(sort_by(.at) | length as $all | to_entries[]
  | .key as $index | .value
  | if $all > 1 then .place += " (\($index + 1) of \($all))" else . end)
| sort_by(.at)[]
| [.summary, .name, .place, ([.file] + .at | join(":")), .diff, .log]
| join("\t")
