import { createLogger, type LoggerOptions, type Logging } from '@kiln/shared/observability'

/** A JSON logger whose lines are kept, in the order in which they were written. */
export function loggedLines(options: Partial<LoggerOptions> = {}): Logging & { readonly lines: string[] } {
  const lines: string[] = []
  const logging = createLogger({
    service: 'some-service',
    level: 'info',
    format: 'json',
    destination: { write: (line) => lines.push(line) },
    ...options,
  })
  return { ...logging, lines }
}
