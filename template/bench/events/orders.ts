import { defineEvent, toFields } from '@kiln/shared'
import { Type } from '@sinclair/typebox'

/** The event that is measured; about 300 bytes of data. */
export const Placed = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: (order) => `order/${order.order_id}`,
  versions: {
    1: Type.Object({
      order_id: Type.Integer(),
      customer: Type.String({ minLength: 1, maxLength: 100 }),
      note: Type.String({ maxLength: 500 }),
      lines: Type.Array(Type.Object({ sku: Type.String(), count: Type.Integer({ minimum: 1 }) })),
    }),
  },
})

export const order = (order_id: number) => ({
  order_id,
  customer: 'a customer of the shop',
  note: 'x'.repeat(150),
  lines: [
    { sku: 'sku-0001', count: 2 },
    { sku: 'sku-0002', count: 1 },
  ],
})

export const orders = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => order(from + index))

/** The very fields that the library writes for one order. */
export const fields = toFields({
  specversion: '1.0',
  id: crypto.randomUUID(),
  source: 'bench',
  type: Placed.name,
  time: new Date().toISOString(),
  datacontenttype: 'application/json',
  dataversion: 1,
  correlationid: crypto.randomUUID(),
  partitionkey: 'order/1',
  data: JSON.stringify(order(1)),
} as never)
