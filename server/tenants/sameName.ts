/** Two names that look the same give the same text (UAX 15, compatibility composition). */
const appearance = (name: string) =>
  name
    .normalize('NFKC')
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
    .replaceAll(/\p{White_Space}+/gu, ' ')
    .trim()
    // By way of capitals, because a Greek sigma has two small forms.
    .toUpperCase()
    .toLowerCase();

/** Returns whether people would mistake one name for the other. */
export const sameName = (one: string, other: string) => appearance(one) === appearance(other);
