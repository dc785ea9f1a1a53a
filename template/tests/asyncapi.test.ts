import { expect, test } from 'bun:test'
import { Parser } from '@asyncapi/parser'
import { streamKey } from '../../shared/events/redis/keys.ts'
import { tagsOf } from '../../shared/events/tags.ts'
import { issuesOf } from '../../shared/events/validation.ts'
import { asyncApiOf } from '../../src/app.ts'
import { published, registry } from '../../src/infrastructure/events.ts'

const config = { serviceName: 'orders', eventsPrefix: 'events', eventsShards: 'user=3' }
const document = asyncApiOf(config)

test('the AsyncAPI document is valid, without a warning', async () => {
  const { diagnostics, document: parsed } = await new Parser().parse(JSON.stringify(document))

  expect(diagnostics.filter(({ severity }) => severity <= 1)).toEqual([])
  expect(parsed?.operations().length).toBe(Object.keys(document.operations).length)
})

test('it has a message for every version of every event, with an example that fits it', () => {
  const versions = registry.contracts.flatMap(({ name, versions }) =>
    Object.entries(versions).map(([version, schema]) => ({ key: `${name}.v${version}`, schema })),
  )

  const { messages, schemas } = document.components
  expect(Object.keys(messages).toSorted()).toEqual(versions.map(({ key }) => key).toSorted())
  for (const { key, schema } of versions) {
    const [example] = messages[key]?.examples ?? []
    expect({ key, issues: issuesOf(schema, example?.payload) }).toEqual({ key, issues: [] })
    expect(schemas[key]).toMatchObject({ type: 'object' })
  }
})

test('its addresses are the names in Redis, shard by shard', () => {
  const { address, parameters } = document.channels.user as (typeof document.channels)[string]
  const { enum: tags } = (parameters?.tag ?? { enum: [] }) as { enum: string[] }

  expect(tags.map((tag) => address.replace('{tag}', tag))).toEqual(
    tagsOf('user', { user: 3 }).map((tag) => streamKey('events', tag)),
  )
  expect(document.channels['system.error']?.address).toBe('events:live:system.error')
})

test('it says what is published, and which group consumes what', () => {
  const { operations } = document
  const sent = Object.values(operations).filter(({ action }) => action === 'send')

  expect(sent).toHaveLength(published.length)
  expect(operations['consume-notify-dispatcher']).toEqual({
    action: 'receive',
    title: 'Subscription notify-dispatcher, consumer group orders.notify-dispatcher',
    channel: { $ref: '#/channels/request' },
    messages: [{ $ref: '#/channels/request/messages/request.created.v1' }],
  })
})
