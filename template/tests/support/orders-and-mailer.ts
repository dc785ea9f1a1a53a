import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createService, edit } from './copies.ts'

/** The versions of `order.placed`: the second tells the parts of the name, the third the currency too. */
export type OrderVersion = 1 | 2 | 3

const schemas = {
  1: 'Type.Object({ order_id: Type.String(), customer: Type.String() })',
  2: 'Type.Object({ order_id: Type.String(), first: Type.String(), last: Type.String() })',
  3: 'Type.Object({ order_id: Type.String(), first: Type.String(), last: Type.String(), currency: Type.String() })',
}
const upcasts = {
  1: '',
  2: `({ order_id, customer }) => {
      const [first = '', last = ''] = customer.split(' ')
      return { order_id, first, last }
    }`,
  3: "(data) => ({ ...data, currency: 'EUR' })",
}
const published = {
  1: "{ order_id: body.order_id, customer: 'Ann Lee' }",
  2: "{ order_id: body.order_id, first: 'Ann', last: 'Lee' }",
  3: "{ order_id: body.order_id, first: 'Ann', last: 'Lee', currency: 'USD' }",
}
const greeted = {
  1: "data.customer + ' 1'",
  2: "data.first + ' ' + data.last + ' 2'",
  3: "data.first + ' ' + data.last + ' ' + data.currency",
}

/** Adds `order.placed` to a `shared`. */
export function addOrderContract(shared: string): void {
  const all = join(shared, 'events/contracts/all.ts')
  edit(all, 'import { RequestAssigned', "import { OrderPlaced } from './order.ts'\nimport { RequestAssigned")
  edit(all, '  UserCreated,\n  UserUpdated', '  OrderPlaced,\n  UserCreated,\n  UserUpdated')
  writeOrderContract(shared, 1)
}

export function writeOrderContract(shared: string, latest: OrderVersion): void {
  const versions = ([1, 2, 3] as const).filter((version) => version <= latest)
  const listed = versions.map((version) => `    ${version}: ${schemas[version]},`)
  const upcast = versions
    .filter((version) => version > 1)
    .map((version) => `    ${version}: ${upcasts[version]},`)
  writeFileSync(
    join(shared, 'events/contracts/order.ts'),
    `import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'

export const OrderPlaced = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: ({ order_id }) => \`order/\${order_id}\`,
  versions: {
${listed.join('\n')}
  },
${upcast.length > 0 ? `  upcast: {\n${upcast.join('\n')}\n  },\n` : ''}})
`,
  )
}

/** `orders`: takes an order by HTTP and tells of it, through its outbox. */
export function createOrders(folder: string): void {
  createService(folder, 'orders')
  const app = join(folder, 'src/app.ts')
  edit(
    app,
    'import { userRoutes }',
    "import { orderRoutes } from './modules/orders/routes.ts'\nimport { userRoutes }",
  )
  edit(
    app,
    '.use(userRoutes(dependencies))',
    '.use(userRoutes(dependencies))\n    .use(orderRoutes(dependencies))',
  )
  mkdirSync(join(folder, 'src/modules/orders'))
  writeOrders(folder, 1)
}

export function writeOrders(folder: string, version: OrderVersion): void {
  writeFileSync(
    join(folder, 'src/modules/orders/routes.ts'),
    `import type { OutboxPublisher } from '@kiln/shared'
import { OrderPlaced } from '@kiln/shared/contracts/order'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { Transaction } from 'kysely'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { Schema } from '../../infrastructure/database/schema.ts'

const Order = Type.Object({ order_id: Type.String() })

interface OrderDependencies {
  readonly db: Database
  readonly events: OutboxPublisher<Transaction<Schema>>
}

export function orderRoutes({ db, events }: OrderDependencies) {
  return new Elysia({ name: 'orders' }).post(
    '/api/orders',
    async ({ body }) => {
      await db.transaction().execute((trx) => events.publish(OrderPlaced, ${published[version]}, { trx }))
      return body
    },
    { body: Order, response: Order },
  )
}
`,
  )
}

/** \`mailer\`: tells the customer of each order. */
export function createMailer(folder: string): void {
  createService(folder, 'mailer')
  writeMailer(folder, 1)
}

export function writeMailer(folder: string, version: OrderVersion): void {
  writeFileSync(
    join(folder, 'src/consumers.ts'),
    `import type { Events } from '@kiln/shared'
import { NotificationSend } from '@kiln/shared/contracts/notification'
import { OrderPlaced } from '@kiln/shared/contracts/order'
import type { Transaction } from 'kysely'
import type { Schema } from './infrastructure/database/schema.ts'

export function declareConsumers(events: Events<Transaction<Schema>>): void {
  events.subscribe(OrderPlaced, { name: 'confirm-order', from: 'beginning' }, async ({ id, data }) => {
    const parameters = { order_id: data.order_id, text: ${greeted[version]} }
    const mail = { notification_id: id, user_id: 1, channel: 'email', template: 'order', parameters } as const
    await events.publish(NotificationSend, mail, { id: \`\${id}.mail\` })
  })
}
`,
  )
}
