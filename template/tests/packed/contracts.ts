import { contracts } from '@kiln/shared/contracts/all'
import { UserCreated } from '@kiln/shared/contracts/user'
import { defineEvent } from '@kiln/shared/event'
import { Type } from '@sinclair/typebox'

/** Contracts alone: what another program needs to know what to send. */
const InvoiceSent = defineEvent({
  name: 'invoice.sent',
  delivery: 'stream',
  versions: { 1: Type.Object({}) },
})
process.stdout.write(`${contracts.includes(UserCreated)} ${InvoiceSent.domain}\n`)
