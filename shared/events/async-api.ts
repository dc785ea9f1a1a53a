import type {
  AsyncApiChannel,
  AsyncApiDocument,
  AsyncApiMessage,
  AsyncApiOperation,
} from './async-api-document.ts'
import type { Subscription } from './consume/subscription.ts'
import type { EventContract } from './event.ts'
import { channelName, streamKey } from './redis/keys.ts'
import type { Registry } from './registry.ts'
import { type Shards, tagsOf } from './tags.ts'
import { versionName, versionsOf } from './versions.ts'

export interface AsyncApiOptions {
  readonly title: string
  readonly version: string
  readonly description: string
  /** The service's name: every event's source. */
  readonly service: string
  /** What the names of all keys and channels begin with. */
  readonly prefix: string
  readonly shards?: Shards
  readonly registry: Registry
  /** What the service publishes. */
  readonly published: readonly EventContract[]
  /** What it consumes. */
  readonly subscriptions: readonly Pick<Subscription, 'name' | 'group' | 'contracts'>[]
  /** Data of each version, keyed `<name>.v<version>`. */
  readonly examples?: Readonly<Record<string, unknown>>
}

/**
 * What the service sends and receives, as AsyncAPI 3.0: a channel for each stream and each broadcast, a message for each
 * version of an event, an operation for each event that is published and each subscription.
 *
 * @see https://www.asyncapi.com/docs/reference/specification/v3.0.0
 */
export function asyncApi(options: AsyncApiOptions): AsyncApiDocument {
  const { title, version, description, registry, published, subscriptions, examples = {} } = options
  const schemas = registry.jsonSchemas()
  const { contracts } = registry
  const messages = contracts.flatMap((contract) =>
    versionsOf(contract).map((version) => {
      const name = versionName(contract, version)
      return [name, messageOf(contract, version, examples[name])] as const
    }),
  )
  return {
    asyncapi: '3.0.0',
    info: { title, version, description },
    defaultContentType: 'application/json',
    channels: channelsOf(contracts, options),
    operations: Object.fromEntries([...sent(published), ...subscriptions.flatMap(received)]),
    components: {
      messages: Object.fromEntries(messages),
      schemas: {
        ...Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, draft7(schema)])),
        attributes: attributesSchema(options.service),
      },
    },
  }
}

function namesOf(contract: EventContract): string[] {
  return versionsOf(contract).map((version) => versionName(contract, version))
}

/** A stream carries all events of its domain, a broadcast has a channel of its own. */
function channelNameOf({ delivery, domain, name }: EventContract): string {
  return delivery === 'stream' ? domain : name
}

function byChannel(contracts: readonly EventContract[]): Map<string, EventContract[]> {
  const groups = new Map<string, EventContract[]>()
  for (const contract of contracts) {
    const channel = channelNameOf(contract)
    groups.set(channel, [...(groups.get(channel) ?? []), contract])
  }
  return groups
}

function channelsOf(
  contracts: readonly EventContract[],
  { prefix, shards = {} }: Pick<AsyncApiOptions, 'prefix' | 'shards'>,
): Record<string, AsyncApiChannel> {
  const groups = byChannel(contracts)
  return Object.fromEntries(
    [...groups].map(([channel, members]) => [
      channel,
      {
        ...(members[0]?.delivery === 'stream'
          ? streamChannel(channel, prefix, shards)
          : broadcastChannel(channel, prefix)),
        messages: Object.fromEntries(
          members.flatMap(namesOf).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
        bindings: { redis: {} },
      },
    ]),
  )
}

/** Braces mark a parameter here and what counts for the slot in Redis, so the one parameter has them in its values. */
function streamChannel(domain: string, prefix: string, shards: Shards) {
  const tags = tagsOf(domain, shards).map((tag) => streamKey('', tag).slice(1))
  return {
    address: `${prefix}:{tag}`,
    title: `The stream ${domain}`,
    description: `A Redis stream that keeps the events of ${domain}: at least once to every subscription, replayable.`,
    parameters: {
      tag: {
        description:
          'The domain in braces, and its shard where it has several: all keys of a tag are on one node of a cluster.',
        enum: tags,
        ...(tags.length === 1 && { default: tags[0] }),
      },
    },
  }
}

function broadcastChannel(name: string, prefix: string) {
  return {
    address: channelName(prefix, name),
    title: `The broadcast ${name}`,
    description: 'A Redis Pub/Sub channel: to whoever listens at the moment, at most once.',
  }
}

function messageOf(contract: EventContract, version: number, example: unknown): AsyncApiMessage {
  const isLatest = version === contract.latest
  return {
    name: contract.name,
    title: `${contract.name}, version ${version}`,
    description:
      `${isLatest ? 'What is published.' : `Replaced by version ${contract.latest}; still read.`} ` +
      `Changes within a version keep ${contract.compatibility}.`,
    headers: { $ref: '#/components/schemas/attributes' },
    payload: { $ref: `#/components/schemas/${versionName(contract, version)}` },
    correlationId: { location: '$message.header#/correlationid' },
    ...(isObject(example) && { examples: [{ name: 'example', payload: example }] }),
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function sent(published: readonly EventContract[]) {
  return published.map((contract): [string, AsyncApiOperation] => {
    const channel = channelNameOf(contract)
    const name = versionName(contract, contract.latest)
    return [
      `publish-${contract.name}`,
      {
        action: 'send',
        title: `Publishes ${contract.name}`,
        channel: { $ref: `#/channels/${channel}` },
        messages: [{ $ref: `#/channels/${channel}/messages/${name}` }],
      },
    ]
  })
}

/** A subscription to several domains is one operation for each of their streams. */
function received({ name, group, contracts }: AsyncApiOptions['subscriptions'][number]) {
  const groups = byChannel([...contracts.values()])
  return [...groups].map(([channel, members]): [string, AsyncApiOperation] => [
    groups.size === 1 ? `consume-${name}` : `consume-${name}-${channel}`,
    {
      action: 'receive',
      title: `Subscription ${name}, consumer group ${group}`,
      channel: { $ref: `#/channels/${channel}` },
      messages: members
        .flatMap(namesOf)
        .map((message) => ({ $ref: `#/channels/${channel}/messages/${message}` })),
    },
  ])
}

/** AsyncAPI's own schemas are a superset of draft 7, which has no place for the newer draft's name or for our ids. */
function draft7(schema: object): object {
  const { $schema: _schema, $id: _id, ...rest } = schema as Record<string, unknown>
  return rest
}

/** The attributes of CloudEvents 1.0, each a field of the entry, and ours. */
function attributesSchema(service: string): object {
  const text = (description: string) => ({ type: 'string', description })
  return {
    type: 'object',
    required: ['specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'dataversion'],
    properties: {
      specversion: { type: 'string', const: '1.0' },
      id: text('with source, what the event is known by'),
      source: { ...text('the service that published it'), examples: [service] },
      type: text('the name of the event'),
      time: { ...text('when it happened, RFC 3339'), format: 'date-time' },
      datacontenttype: { type: 'string', const: 'application/json' },
      dataversion: text('the version of the data, a whole number'),
      partitionkey: text('events of one key keep their order'),
      correlationid: text('of the request that all of this began with'),
      causationid: text('the id of the event in whose handling it was published'),
      sequence: text('its place in the outbox of its source'),
      traceparent: text('W3C Trace Context'),
      tracestate: text('W3C Trace Context'),
      baggage: text('W3C Baggage'),
    },
  }
}
