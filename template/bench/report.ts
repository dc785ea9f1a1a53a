import { coreCount } from './machine.ts'
import type { Measurement } from './measure.ts'
import type { StartUp } from './start-up.ts'

/** The measurements as Markdown, ready for the README. */
export function report(measurements: readonly Measurement[], startUp: StartUp | undefined): string {
  const rows = measurements.map((row) => {
    const { case: measured, subject, requestsPerSecond, cpuUsPerRequest, p99Us, ratio, cpuRatio } = row
    return [
      measured.route,
      subject,
      Math.round(requestsPerSecond).toLocaleString('en'),
      percent(ratio),
      cpuUsPerRequest?.toFixed(1) ?? '-',
      percent(cpuRatio),
      (p99Us / 1000).toFixed(1),
    ]
  })
  const lines = [
    `${coreCount} cores: the server on one, wrk and PostgreSQL on the other. Ratios: the first line of a route is 100 %.`,
    '',
    ...table(['route', 'server', 'requests/s', 'ratio', 'CPU µs/request', 'ratio by CPU', 'p99 ms'], rows),
  ]
  if (startUp) {
    const { listeningMs, idleBytes } = startUp
    const resident = idleBytes === undefined ? '' : `, ${Math.round(idleBytes / 1e6)} MB resident when idle`
    lines.push('', `The binary listens ${Math.round(listeningMs)} ms after its start${resident}.`)
  }
  return `${lines.join('\n')}\n`
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${Math.round(ratio * 100)} %`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const isNumber = (column: number) => column > 1
  const line = (cells: readonly string[]) =>
    `| ${cells
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join(' | ')} |`
  const rule = widths.map((width, column) =>
    isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  )
  return [line(head), line(rule), ...rows.map(line)]
}
