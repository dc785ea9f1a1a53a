import type { Logger } from './logger.ts'

/** What `LOG_LEVEL` may be, the most talkative first. */
export const logLevels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const

export type LogLevel = (typeof logLevels)[number]

export interface LogLevelControl {
  readonly level: () => LogLevel
  /** From now on, in this process; a restart takes it back. */
  readonly setLevel: (level: LogLevel) => void
  /** Turns DEBUG on; the second time back to what was before. */
  readonly toggleDebug: () => void
}

/** The level of a logger while the process runs. Each change is a line in the log, whatever the level. */
export function logLevelControl(logger: Logger): LogLevelControl {
  let before: LogLevel = 'INFO'
  const level = () => logger.level.toUpperCase() as LogLevel
  const setLevel = (to: LogLevel): void => {
    const from = level()
    if (to === from) return
    if (to === 'DEBUG') before = from
    logger.level = 'info'
    logger.info({ from, to }, 'the log level has changed')
    logger.level = to.toLowerCase()
  }
  return { level, setLevel, toggleDebug: () => setLevel(level() === 'DEBUG' ? before : 'DEBUG') }
}
