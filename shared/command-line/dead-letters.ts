import { type Command, Option } from 'commander'
import type { DeadLetter, DeadLetterFilter } from '../events/dead-letters.ts'
import { type EventCommandsOptions, jsonOption, parseCount, parseTime } from './options.ts'
import { showProgress, showTable } from './output.ts'

interface DeadOptions extends DeadLetterFilter {
  readonly limit: number
  readonly redrive?: boolean
  readonly purge?: boolean
  readonly all?: boolean
  readonly rate: number
  readonly json?: boolean
}

/** `events dead`: lists, shows, redrives and purges dead letters. */
export function addDeadCommand(events: Command, options: EventCommandsOptions): void {
  const command = events
    .command('dead')
    .description('the dead letters of a subscription: list, look at, redrive, purge')
    .argument('<subscription>')
    .argument('[ids...]', 'these letters; without --redrive or --purge each is shown whole')
    .option('--type <event>', 'only of this type')
    .option('--error <text>', 'only with this reason, or this in the message')
    .addOption(new Option('--from <time>', 'failed not before').argParser(parseTime))
    .addOption(new Option('--to <time>', 'failed not after').argParser(parseTime))
    .addOption(new Option('--limit <count>', 'list at most so many').argParser(parseCount).default(20))
    .addOption(new Option('--redrive', 'deliver them again, to this subscription only').conflicts('purge'))
    .option('--purge', 'destroy them')
    .option('--all', 'all of them: needed where neither ids nor a filter say which')
    .addOption(new Option('--rate <count>', 'so many a second').argParser(parseCount).default(100))
    .addOption(jsonOption())
  command.action((subscription: string, ids: readonly string[], given: DeadOptions) => {
    if (given.redrive || given.purge) return changeLetters(command, subscription, ids, given, options)
    return ids.length > 0
      ? showLetters(subscription, ids, options)
      : listLetters(subscription, given, options)
  })
}

function changeLetters(
  command: Command,
  subscription: string,
  ids: readonly string[],
  given: DeadOptions,
  { withEvents, print, ...screen }: EventCommandsOptions,
): Promise<void> {
  const filter = filterOf(given)
  const ways = [ids.length > 0, Object.keys(filter).length > 0, given.all === true].filter(Boolean).length
  if (ways !== 1) command.error('error: give ids, or a filter, or --all')
  return withEvents(async (operations) => {
    const verb = given.redrive ? 'redriven' : 'purged'
    const progress = showProgress(screen, { verb, ...(ids.length > 0 && { total: ids.length }) })
    const change = given.redrive ? operations.redrive : operations.purge
    const count = await change(subscription, ids.length > 0 ? ids : filter, {
      by: 'command-line',
      perSecond: given.rate,
      progress: progress.at,
    })
    progress.end()
    print(given.json ? JSON.stringify({ subscription, [verb]: count }) : `${verb} ${count}`)
  })
}

function showLetters(
  subscription: string,
  ids: readonly string[],
  { withEvents, print }: EventCommandsOptions,
): Promise<void> {
  return withEvents(async (operations) => {
    for (const id of ids) print(JSON.stringify(await operations.deadLetter(subscription, id), null, 2))
  })
}

function listLetters(
  subscription: string,
  { limit, json, ...given }: DeadOptions,
  { withEvents, print, stderr }: EventCommandsOptions,
): Promise<void> {
  return withEvents(async ({ deadLetters }) => {
    const { items, next } = await deadLetters.list(subscription, { ...filterOf(given), limit })
    if (json) return print(JSON.stringify(items, null, 2))
    print(showTable(items.map(rowOf)) || 'there are no dead letters')
    if (next !== undefined) stderr('there are more: --limit shows them\n')
  })
}

function rowOf({ id, type = '-', reason, attempts, failedAt, error }: DeadLetter) {
  return { id, type, reason, attempts, failed_at: failedAt, error: error.split('\n')[0]?.slice(0, 80) ?? '' }
}

function filterOf({ type, error, from, to }: DeadLetterFilter): DeadLetterFilter {
  return { ...(type && { type }), ...(error && { error }), ...(from && { from }), ...(to && { to }) }
}
