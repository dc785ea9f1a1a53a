import { type Command, Option } from 'commander'
import type { EventOperations } from '../events/operations.ts'
import type { ReplayJob } from '../events/replay-jobs.ts'
import { type EventCommandsOptions, jsonOption, parseCount, parseTime } from './options.ts'
import { type Screen, showProgress, showTable } from './output.ts'

const LOOK_EVERY_MS = 200

interface ReplayCommandOptions {
  readonly event?: readonly string[]
  readonly from?: Date | string
  readonly to?: Date
  readonly last?: number
  readonly max?: number
  readonly rate?: number
  readonly dryRun?: boolean
  readonly wait: boolean
  readonly list?: boolean
  readonly cancel?: string
  readonly json?: boolean
}

/** `events replay`: starts, follows, lists and cancels replays. They run in the service, not in this command. */
export function addReplayCommand(events: Command, options: EventCommandsOptions): void {
  const command = events
    .command('replay')
    .description('let a subscription handle past events again; the running service does it')
    .argument('[subscription]', 'one that is declared replayable')
    .option('--event <names...>', 'only these events')
    .addOption(new Option('--from <time|id>', 'from a time or an entry id on').argParser(parsePlace))
    .addOption(new Option('--to <time>', 'up to a time').argParser(parseTime))
    .addOption(new Option('--last <count>', 'only the last so many').argParser(parseCount).conflicts('from'))
    .addOption(new Option('--max <count>', 'at most so many').argParser(parseCount))
    .addOption(new Option('--rate <count>', 'so many a second in each process').argParser(parseCount))
    .option('--dry-run', 'only count')
    .option('--no-wait', 'do not wait for its end')
    .option('--list', 'list replays, newest first')
    .option('--cancel <id>', 'end a replay')
    .addOption(jsonOption())
  command.action((subscription: string | undefined, given: ReplayCommandOptions) => {
    if (given.list) return listReplays(given, options)
    if (given.cancel !== undefined) return cancelReplay(given.cancel, given, options)
    if (subscription === undefined) command.error("error: missing required argument 'subscription'")
    return startReplay(subscription ?? '', given, options)
  })
}

function startReplay(
  subscription: string,
  { event, from, to, last, max, rate, dryRun, wait, json }: ReplayCommandOptions,
  { withEvents, ...screen }: EventCommandsOptions,
): Promise<void> {
  return withEvents(async (operations) => {
    const started = await operations.replay({
      subscription,
      ...(event && { events: event }),
      ...(from !== undefined && { from }),
      ...(to && { to }),
      ...(last !== undefined && { last }),
      ...(max !== undefined && { maxCount: max }),
      ...(rate !== undefined && { perSecond: rate }),
      ...(dryRun && { dryRun }),
    })
    if (dryRun)
      return tell(screen, json, { ...rowOf(started), status: 'dry run' }, `would handle ${started.total}`)
    const job = wait ? await follow(operations, started, screen) : started
    tell(screen, json, rowOf(job), `replay ${job.id}: ${job.status}, ${job.done} of ${job.total}`)
  })
}

function listReplays(
  { json }: ReplayCommandOptions,
  { withEvents, ...screen }: EventCommandsOptions,
): Promise<void> {
  return withEvents(async (operations) => {
    const rows = (await operations.replays()).map(rowOf)
    tell(screen, json, rows, showTable(rows) || 'there are no replays')
  })
}

function cancelReplay(
  id: string,
  { json }: ReplayCommandOptions,
  { withEvents, ...screen }: EventCommandsOptions,
): Promise<void> {
  return withEvents(async (operations) => {
    const cancelled = await operations.cancelReplay(id)
    tell(screen, json, { id, cancelled }, cancelled ? `cancelled ${id}` : `${id} was over already`)
  })
}

async function follow(
  operations: Pick<EventOperations, 'replayOf'>,
  started: ReplayJob,
  screen: Pick<Screen, 'stderr' | 'isTerminal'>,
): Promise<ReplayJob> {
  const progress = showProgress(screen, { verb: 'handled', total: started.total })
  let job = started
  for (;;) {
    progress.at(job.done)
    if (job.status !== 'running') break
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    job = await operations.replayOf(job.id)
  }
  progress.end()
  return job
}

function tell(
  { print }: Pick<Screen, 'print'>,
  json: boolean | undefined,
  value: unknown,
  text: string,
): void {
  print(json ? JSON.stringify(value, null, 2) : text)
}

function rowOf({ id, subscription, status, total, done, createdAtMs }: ReplayJob) {
  return {
    id,
    subscription,
    status: status as string,
    total,
    done,
    created_at: new Date(createdAtMs).toISOString(),
  }
}

function parsePlace(text: string): Date | string {
  return /^\d+-\d+$/.test(text) ? text : parseTime(text)
}
