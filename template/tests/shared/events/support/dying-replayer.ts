import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../../shared/events/client.ts'
import { ThingMade } from '../../../../../shared/testing/delivery/contracts.ts'
import { readArchive } from './file-archive.ts'
import { processTransports } from './process-transports.ts'

/** Runs stored replays until it has handled so many events, and is killed. Arguments: port, prefix, archive, events. */
const [port, prefix = '', file = '', dieAfter] = process.argv.slice(2)
const transports = await processTransports(port, { prefix, keepAliveMs: 30, leaseMs: 200, blockMs: 50 })
const timing = { recoverEveryMs: 20, keepAliveMs: 20, replaysEveryMs: 20 }
const archive = readArchive(file)
const events = createEvents({ service: 'archive', transports, logger: silentLogger, timing, archive })
const options = { name: 'past', replayable: true, ordered: true } as const
events.subscribe(ThingMade, options, async ({ data }) => {
  if ((await transports.commands.rpush(`${prefix}:handled`, data.n)) >= Number(dieAfter))
    process.kill(process.pid, 'SIGKILL')
})
await events.start()
