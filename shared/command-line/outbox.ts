import { type Command, Option } from 'commander'
import type { OutboxStatus } from '../postgres/outbox/status.ts'
import type { ServiceOutbox } from '../service/relaying.ts'
import { jsonOption, parseTime } from './options.ts'
import { type Screen, showProgress, showTable } from './output.ts'

export interface OutboxCommandsOptions extends Screen {
  /** Asks the database, and nobody else. */
  readonly status: () => Promise<OutboxStatus>
  /** Opens the service's events for one command, and closes them after it. */
  readonly withOutbox: (work: (outbox: Pick<ServiceOutbox, 'redrive'>) => Promise<void>) => Promise<void>
}

/** `outbox status|redrive`. */
export function addOutboxCommands(program: Command, options: OutboxCommandsOptions): void {
  const outbox = program.command('outbox').description('look after events on their way to the event server')
  addStatusCommand(outbox, options)
  addRedriveCommand(outbox, options)
}

function addStatusCommand(outbox: Command, { status, print }: OutboxCommandsOptions): void {
  outbox
    .command('status')
    .description('how many events wait to be sent, and for how long')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const { depth, parked, oldestAgeMs } = await status()
      const row = { depth, parked, oldest_age_ms: oldestAgeMs }
      print(json ? JSON.stringify(row, null, 2) : showTable([row]))
    })
}

function addRedriveCommand(outbox: Command, options: OutboxCommandsOptions): void {
  const { withOutbox, print } = options
  const since = new Option('--since <time>', 'when the oldest was sent').argParser(parseTime)
  outbox
    .command('redrive')
    .description('send again what the event server has lost of what was sent since a time')
    .addOption(since.makeOptionMandatory())
    .addOption(jsonOption())
    .action(({ since, json }: { since: Date; json?: boolean }) =>
      withOutbox(async ({ redrive }) => {
        const progress = showProgress(options, { verb: 'checked' })
        const { checked, missing, sent } = await redrive(since, progress.at).finally(progress.end)
        const row = { checked, missing, sent }
        print(json ? JSON.stringify(row, null, 2) : showTable([row]))
      }),
    )
}
