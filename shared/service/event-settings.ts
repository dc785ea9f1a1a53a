import { type Static, Type } from '@sinclair/typebox'
import { contracts } from '../events/contracts/all.ts'
import type { Shards } from '../events/tags.ts'
import { OneOf } from '../schema.ts'
import { count } from '../settings.ts'

/** At a stream's cap: refuse to publish, or let go what was not consumed. */
const overflows = ['refuse', 'trim'] as const

/** The settings of events, to be spread into a service's own. */
export const eventSettings = {
  eventsPrefix: Type.String({
    pattern: '^[A-Za-z0-9:_-]{1,64}$',
    default: 'events',
    description: 'begins every key and channel of events; services that exchange events share it',
    expected: 'must be 1 to 64 letters, digits, colons, underscores and hyphens',
  }),
  eventsMaxBytes: count('largest event, attributes included, bytes', {
    default: 262_144,
    minimum: 1_024,
    maximum: 16_777_216,
  }),
  eventsPublish: Type.Optional(
    Type.String({
      description:
        'events held back at an older version during a rollout, user.created=1,…; unset: the latest',
      expected:
        'must look like user.created=1,request.completed=1, each an event that can be brought down to the version',
    }),
  ),
  eventsKeepAliveMs: count(
    'events of a process that vanished are taken over after three times this, milliseconds',
    { default: 20_000, minimum: 100, maximum: 600_000 },
  ),
  eventsRetentionHours: count('how long events are kept, hours', {
    default: 168,
    minimum: 1,
    maximum: 87_600,
  }),
  eventsRetentionBytes: count('memory that one stream may take, bytes', {
    default: 536_870_912,
    minimum: 1_048_576,
    maximum: 1_099_511_627_776,
  }),
  eventsInboxDays: count('how long transactional subscriptions remember what they have handled, days', {
    default: 30,
    minimum: 1,
    maximum: 3_650,
  }),
  eventsArchiveDays: count('how long events that went through the outbox are kept for replays, days', {
    default: 7,
    minimum: 1,
    maximum: 3_650,
  }),
  eventsOverflow: OneOf(overflows, {
    default: 'refuse',
    description: 'at that cap: `refuse` to publish, or `trim` what was not consumed',
    expected: 'must be refuse or trim',
  }),
  eventsWaitReplicas: count('replicas of the event server that must have an event before it counts as sent', {
    default: 0,
    minimum: 0,
    maximum: 16,
  }),
  eventsShards: Type.Optional(
    Type.String({
      description:
        'streams of a domain, user=4,request=2; the same in every service, and for ever; unset: one each',
      expected: 'must look like user=4,request=2, each domain once, from 1 to 256',
    }),
  ),
}

type EventSettings = { readonly [Key in keyof typeof eventSettings]: Static<(typeof eventSettings)[Key]> }

/** What events need of a service's configuration. */
export type EventsConfig = Omit<EventSettings, 'eventsPublish' | 'eventsShards'> & {
  readonly serviceName: string
  readonly redisUrl: string
  readonly redisTimeoutMs: number
  readonly eventsPublish?: string
  readonly eventsShards?: string
}

/** The names of what `EventsConfig` holds. */
export const eventsConfigKeys = [
  'serviceName',
  'redisUrl',
  'redisTimeoutMs',
  ...(Object.keys(eventSettings) as (keyof typeof eventSettings)[]),
] as const

/** The versions of `eventsPublish` by event; undefined where it is wrong. */
export function parseHeldBack(text: string | undefined): Readonly<Record<string, number>> | undefined {
  const versions: Record<string, number> = {}
  for (const part of text?.split(',') ?? []) {
    const [, name, version] = /^([a-z0-9_.]+)=([1-9])$/.exec(part.trim()) ?? []
    const contract = contracts.find((known) => known.name === name)
    const to = Number(version)
    if (!contract || to > contract.latest) return undefined
    for (let step = to; step < contract.latest; step++) if (!(step in contract.downcast)) return undefined
    versions[contract.name] = to
  }
  return versions
}

/**
 * What is wrong with `eventsInboxDays`: an event that can still come again must still be remembered, or its handler runs
 * twice.
 */
export function inboxWeakness(
  settings: Partial<Pick<EventSettings, 'eventsInboxDays' | 'eventsArchiveDays' | 'eventsRetentionHours'>>,
): string | undefined {
  const { eventsInboxDays, eventsArchiveDays = 0, eventsRetentionHours = 0 } = settings
  const least = Math.max(eventsArchiveDays, Math.ceil(eventsRetentionHours / 24))
  if (eventsInboxDays === undefined || eventsInboxDays >= least) return undefined
  return `must be at least ${least}, because streams or the archive keep events so long`
}

/** The streams of `eventsShards` by domain; undefined where it is wrong. */
export function parseShards(text: string | undefined): Shards | undefined {
  const shards: Record<string, number> = {}
  for (const part of text?.split(',') ?? []) {
    const [, domain, number] = /^([a-z][a-z0-9_]*)=([1-9]\d{0,2})$/.exec(part.trim()) ?? []
    if (domain === undefined || domain in shards || Number(number) > 256) return undefined
    shards[domain] = Number(number)
  }
  return shards
}
