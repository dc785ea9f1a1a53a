/** Where a command speaks. */
export interface Screen {
  /** Takes one result, without the line break at its end. */
  readonly print: (text: string) => void
  /** Takes what is not a result. */
  readonly stderr: (text: string) => void
  /** Whether somebody looks at `stderr`: bars that move, where others get lines. */
  readonly isTerminal: boolean
}

/** Rows below the names of their fields; empty without rows. */
export function showTable(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const names = Object.keys(first)
  const cells = [
    names.map((name) => name.toUpperCase()),
    ...rows.map((row) => names.map((name) => String(row[name] ?? '-'))),
  ]
  const widths = names.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)))
  return cells
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export interface Progress {
  readonly at: (done: number) => void
  readonly end: () => void
}

const BAR = 30
const LINE_EVERY_MS = 5000

/**
 * Shows how far something is: a bar on a terminal, else a line now and then.
 *
 * @param total undefined where nobody knows.
 */
export function showProgress(
  { stderr, isTerminal }: Pick<Screen, 'stderr' | 'isTerminal'>,
  { verb, total, now = Date.now }: { verb: string; total?: number; now?: () => number },
): Progress {
  let shownAtMs = Number.NEGATIVE_INFINITY
  const line = (done: number) => `${verb} ${done}${total === undefined ? '' : ` of ${total}`}`
  const bar = (done: number) => {
    if (total === undefined || total === 0) return line(done)
    const filled = Math.min(BAR, Math.round((done / total) * BAR))
    return `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] ${line(done)}`
  }
  return {
    at(done) {
      if (isTerminal) return stderr(`\r${bar(done)}`)
      if (now() - shownAtMs < LINE_EVERY_MS) return
      shownAtMs = now()
      stderr(`${line(done)}\n`)
    },
    end() {
      if (isTerminal) stderr('\n')
    },
  }
}
