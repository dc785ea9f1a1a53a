import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../../shared/events/client.ts'
import { ThingMade } from '../../../../../shared/testing/delivery/contracts.ts'
import { processTransports } from './process-transports.ts'

/** Handles events until all are acknowledged, and dies of number 13. Arguments: port, prefix. */
const [port, prefix = ''] = process.argv.slice(2)
const transports = await processTransports(port, { prefix, keepAliveMs: 30 })
const events = createEvents({
  service: 'crash',
  transports,
  logger: silentLogger,
  timing: { recoverEveryMs: 20, keepAliveMs: 20 },
})
events.subscribe(ThingMade, { name: 'sub', from: 'beginning', attempts: 4 }, async ({ data }) => {
  await new Promise((resolve) => setTimeout(resolve, 1))
  if (data.n === 13) process.exit(13)
  await transports.commands.rpush(`${prefix}:handled`, data.n)
})
await events.start()
for (;;) {
  const [health] = await events.health()
  if (health && health.lag + health.pending === 0) break
  await new Promise((resolve) => setTimeout(resolve, 10))
}
process.exit(0)
