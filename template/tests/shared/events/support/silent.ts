import type { EventLogger } from '../../../../../shared/events/observer.ts'

const quiet = () => {}

/** A logger for tests that read outcomes instead. */
export const silent: EventLogger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
