import { createEvents } from '../../events/client.ts'
import type { Events, EventsOptions } from '../../events/events.ts'
import { silentLogger } from '../../events/silent-logger.ts'
import type { Transports } from '../../events/transports.ts'

/** A fresh event server, or a fresh part of one, for one test. */
export interface Ground {
  /** The transports of one more process. `subscriptions` are shared, as a database would share them. */
  transports(process: string): Promise<Transports>
  close(): Promise<void>
}

/** Where one test plays: as many processes as it starts, ended with it. */
export interface Stage {
  /** One process of the service, not started yet. */
  process(options?: Partial<EventsOptions>): Promise<Events>
  /** Puts an entry into a tag as a foreign publisher would. */
  write(tag: string, fields: Readonly<Record<string, string>>): Promise<void>
}

/** Runs one test and ends every process it has started, whatever happened. */
export async function onStage(
  open: () => Promise<Ground>,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const ground = await open()
  const ends: (() => Promise<unknown>)[] = []
  let count = 0
  try {
    await play({
      async write(tag, fields) {
        const { streams, close } = await ground.transports('foreign')
        ends.push(close)
        await streams.append(tag, [Object.entries(fields).flat()])
      },
      async process(options = {}) {
        const transports = await ground.transports(`process-${++count}`)
        ends.push(() => transports.close())
        const events = createEvents({
          service: 'suite',
          transports,
          logger: silentLogger,
          timing: QUICK,
          ...options,
        })
        ends.push(() => events.close(2000))
        return events
      },
    })
  } finally {
    for (const end of ends.reverse()) await end()
    await ground.close()
  }
}

/** Retries that a test can wait for. */
export const SOON = { baseMs: 10, maxMs: 40 }

const QUICK = {
  recoverEveryMs: 200,
  keepAliveMs: 500,
  parkedEveryMs: 100,
  markEveryMs: 100,
  pausedEveryMs: 50,
}
