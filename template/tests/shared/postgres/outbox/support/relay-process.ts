import { writeSync } from 'node:fs'
import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../../../shared/events/client.ts'
import { connectDatabase, createRelay } from '../../../../../../shared/postgres/index.ts'
import { processTransports } from '../../../events/support/process-transports.ts'

/**
 * A relay that is killed or frozen at a step of its first turn. Arguments: database, Redis port, step, signal, idle
 * time-out. Writes the step it has come to, and what it warns of.
 */
const [url = '', port, step, signal, idleTimeoutMs] = process.argv.slice(2)
let isDone = false
const die = (at: string) => {
  if (at !== step || isDone) return
  isDone = true
  writeSync(1, `${at}\n`)
  process.kill(process.pid, signal)
}
const db = connectDatabase<Record<string, never>>({
  url,
  applicationName: 'relay process',
  poolMax: 4,
  connectTimeoutMs: 2000,
  statementTimeoutMs: 10_000,
  prepared: true,
  log({ query }) {
    if (query.sql.includes('cross join lateral')) die('claimed')
    if (query.sql.includes('insert into outbox_archive')) die('moved')
  },
})
const transports = await processTransports(port)
const events = createEvents({ service: 'facts', transports, logger: silentLogger })
createRelay({
  db,
  streams: transports.streams,
  events: {
    safe: events.safe,
    async forward(envelopes) {
      const outcomes = await events.forward(envelopes)
      die('sent')
      return outcomes
    },
  },
  logger: { ...silentLogger, warn: (_, message) => process.stdout.write(`${message}\n`) },
  pollEveryMs: 50,
  idleTimeoutMs: Number(idleTimeoutMs),
  concurrency: 1,
}).start()
