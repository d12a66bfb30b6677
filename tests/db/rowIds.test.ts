import { v4, v7 } from 'uuid';
import { isRowId } from '@/server/db/ids';

it.each([v4(), v7(), v7().toUpperCase(), '0123abcd-0000-9000-0000-0123456789ab'])(
  '%s can be the id of a row, because a uuid column can hold it',
  (text) => {
    expect(isRowId(text)).toBe(true);
  },
);

it.each(['', 'x', `${v7()} `, `${v7()}\n`, ` ${v7()}`, v7().slice(1), `{${v7()}}`, `${v7()}%00`])(
  '%j cannot be the id of a row',
  (text) => {
    expect(isRowId(text)).toBe(false);
  },
);
