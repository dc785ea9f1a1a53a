import { Type } from '@sinclair/typebox'

export const UserId = Type.Integer({ minimum: 1, description: 'the user service’s id' })
export const EntityId = Type.String({ minLength: 1, maxLength: 64 })
export const Timestamp = Type.String({ format: 'date-time', description: 'RFC 3339' })
export const Reason = Type.String({ minLength: 1, maxLength: 500 })
export const PersonName = Type.String({ minLength: 2, maxLength: 50 })

export const Role = Type.Union([
  Type.Literal('applicant'),
  Type.Literal('executor'),
  Type.Literal('manager'),
  Type.Literal('admin'),
])
export const Priority = Type.Union([
  Type.Literal('low'),
  Type.Literal('normal'),
  Type.Literal('high'),
  Type.Literal('urgent'),
])
export const Channel = Type.Union([
  Type.Literal('telegram'),
  Type.Literal('email'),
  Type.Literal('sms'),
  Type.Literal('push'),
])
