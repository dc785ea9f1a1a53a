import { type Command, Option } from 'commander'
import { addDeadCommand } from './dead-letters.ts'
import { type EventCommandsOptions, jsonOption, parseCount } from './options.ts'
import { showTable } from './output.ts'
import { addReplayCommand } from './replay.ts'

/** `events lag|replay|dead|parked|pause|resume|schemas|rename-owner`. */
export function addEventCommands(program: Command, options: EventCommandsOptions): void {
  const events = program.command('events').description('look after events')
  addLagCommand(events, options)
  addReplayCommand(events, options)
  addDeadCommand(events, options)
  addParkedCommand(events, options)
  for (const paused of [true, false]) addPauseCommand(events, options, paused)
  addSchemasCommand(events, options)
  addRenameCommand(events, options)
}

function addLagCommand(events: Command, { withEvents, print }: EventCommandsOptions): void {
  events
    .command('lag')
    .description('how far each subscription is behind')
    .addOption(jsonOption())
    .action(({ json }: { json?: boolean }) =>
      withEvents(async (operations) => {
        const rows = (await operations.subscriptions()).map(({ dead, oldestMs, heardAtMs, ...health }) => ({
          subscription: health.subscription,
          state: health.paused ? 'paused' : 'running',
          lag: health.lag,
          pending: health.pending,
          due: health.due,
          parked: health.parked,
          dead_letters: dead,
          oldest_at: oldestMs === undefined ? null : new Date(oldestMs).toISOString(),
          heard_at: new Date(heardAtMs).toISOString(),
        }))
        if (json) print(JSON.stringify(rows, null, 2))
        else print(showTable(rows) || 'no subscription is registered')
      }),
    )
}

function addParkedCommand(events: Command, { withEvents, print }: EventCommandsOptions): void {
  events
    .command('parked')
    .description('events in a version that nobody knows yet')
    .argument('<subscription>')
    .addOption(new Option('--limit <count>', 'at most so many').argParser(parseCount).default(100))
    .addOption(jsonOption())
    .action((subscription: string, { limit, json }: { limit: number; json?: boolean }) =>
      withEvents(async (operations) => {
        const found = (await operations.parked(subscription)).slice(0, limit)
        const rows = found.map(({ id, type, version, eventId }) => ({ id, type, version, event_id: eventId }))
        if (json) print(JSON.stringify(rows, null, 2))
        else print(showTable(rows) || 'nothing is parked')
      }),
    )
}

function addPauseCommand(
  events: Command,
  { withEvents, print }: EventCommandsOptions,
  paused: boolean,
): void {
  events
    .command(paused ? 'pause' : 'resume')
    .description(paused ? 'stop reading, in every process and across restarts' : 'read again')
    .argument('<subscription>')
    .addOption(jsonOption())
    .action((subscription: string, { json }: { json?: boolean }) =>
      withEvents(async (operations) => {
        await operations.setPaused(subscription, paused)
        const text = `${subscription} is ${paused ? 'paused' : 'read again'}`
        print(json ? JSON.stringify({ subscription, paused }) : text)
      }),
    )
}

function addSchemasCommand(events: Command, { registry, print }: EventCommandsOptions): void {
  events
    .command('schemas')
    .description('every event the service knows; with --json the JSON Schema of every version')
    .addOption(jsonOption())
    .action(({ json }: { json?: boolean }) => {
      if (json) return print(JSON.stringify(registry.jsonSchemas(), null, 2))
      print(showTable(registry.contracts.map(({ name, delivery, latest }) => ({ name, delivery, latest }))))
    })
}

function addRenameCommand(events: Command, { withEvents, print }: EventCommandsOptions): void {
  events
    .command('rename-owner')
    .description('take over the subscriptions of the name that the service had before')
    .argument('<old name>')
    .addOption(jsonOption())
    .action((from: string, { json }: { json?: boolean }) =>
      withEvents(async (operations) => {
        const moved = await operations.renameOwner(from)
        if (json) print(JSON.stringify(moved, null, 2))
        else
          print(
            showTable(moved.map(({ subscription, group, pending }) => ({ subscription, group, pending }))),
          )
      }),
    )
}
