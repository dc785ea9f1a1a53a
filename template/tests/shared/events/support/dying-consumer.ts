import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../../shared/events/client.ts'
import type { Inbox } from '../../../../../shared/events/inbox.ts'
import { connectDatabase } from '../../../../../shared/postgres/database.ts'
import { postgresInbox } from '../../../../../shared/postgres/inbox.ts'
import { ThingMade } from '../../../../../shared/testing/delivery/contracts.ts'
import { processTransports } from './process-transports.ts'
import type { Tables, Trx } from './transactional-ground.ts'

/** Notes the effect of one event, commits, and dies before the event server hears of it. Arguments: port, prefix, database. */
const [port, prefix = '', url = ''] = process.argv.slice(2)
const transports = await processTransports(port, { prefix, keepAliveMs: 30 })
const db = connectDatabase<Tables>({
  url,
  applicationName: 'dying',
  poolMax: 2,
  connectTimeoutMs: 2000,
  statementTimeoutMs: 10_000,
  prepared: true,
})
const kept = postgresInbox(db)
const inbox: Inbox<Trx> = {
  ...kept,
  async handle(...given) {
    await kept.handle(...given)
    process.kill(process.pid, 'SIGKILL')
  },
}
const events = createEvents<Trx>({ service: 'ground', transports, logger: silentLogger, inbox })
const options = { name: 'effects', from: 'beginning', transactional: true } as const
events.subscribe(ThingMade, options, ({ id, data: { n } }, { trx }) =>
  trx.insertInto('effects').values({ event_id: id, n }).execute(),
)
await events.start()
