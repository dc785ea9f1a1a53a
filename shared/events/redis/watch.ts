import { repeat } from '../../repeat.ts'
import type { EventLogger } from '../observer.ts'
import { infoFields } from './capabilities.ts'
import type { RedisClient } from './connections.ts'

export interface WatchOptions {
  readonly publish: RedisClient
  readonly commands: RedisClient
  readonly logger: EventLogger
  readonly watchEveryMs: number
}

/**
 * As `StreamTransport.watch`: doubts when the publishing connection is back, and when another process, role or history
 * of replication answers than before. In a cluster every master is asked.
 *
 * Replicas that were alone for an hour begin a new history: a doubt for nothing, which costs a look.
 */
export function watchServer(
  { publish, commands, logger, watchEveryMs }: WatchOptions,
  doubt: (wellAtMs: number) => void,
): () => void {
  let known: string | undefined
  let wellAtMs = Date.now()
  let watching = true

  async function look(): Promise<void> {
    const askedAtMs = Date.now()
    const found = await identityOfServer(commands)
    if (!watching) return
    if (known !== undefined && found !== known) {
      logger.warn(
        { wellAtMs },
        'another event server answers: it may have lost what the one before acknowledged',
      )
      doubt(wellAtMs)
    }
    known = found
    wellAtMs = askedAtMs
  }
  const failed = (error: unknown) => {
    // Nobody knows then who it was at the beginning.
    known ??= ''
    logger.debug({ err: error }, 'the event server could not be asked')
  }
  const end = repeat(look, { everyMs: watchEveryMs, failed })

  const opened = () => {
    doubt(wellAtMs)
    look().catch(failed)
  }
  publish.on('ready', opened)
  return () => {
    watching = false
    publish.off('ready', opened)
    void end()
  }
}

/** Of every master: its process, role, and history of replication. */
async function identityOfServer(client: RedisClient): Promise<string> {
  const nodes = 'nodes' in client ? client.nodes('master') : [client]
  const identities = await Promise.all(
    nodes.map(async (node) => {
      const { run_id, role, master_replid } = infoFields(await node.info('server', 'replication'))
      return `${run_id} ${role} ${master_replid}`
    }),
  )
  return identities.sort().join(',')
}
