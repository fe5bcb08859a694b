/** What there is in the tiny world, in both languages. */

/** Languages of the tiny world. */
export type Language = 'en' | 'zh'

/** Both of them. */
export const LANGUAGES: readonly Language[] = ['en', 'zh']

/** One word in both languages. */
export type Word = Readonly<Record<Language, string>>

/** Somebody. Names differ between the languages, so each language has its own people. */
export interface Person {
  readonly name: string
  /** she or he, 她 or 他 */
  readonly pronoun: string
}

const words = (...pairs: readonly [en: string, zh: string][]): readonly Word[] => pairs.map(([en, zh]) => ({ en, zh }))

const people = (pronouns: readonly [string, string], women: string, men: string): readonly Person[] => [
  ...women.split(' ').map((name) => ({ name, pronoun: pronouns[0] })),
  ...men.split(' ').map((name) => ({ name, pronoun: pronouns[1] })),
]

/** Who lives there. */
export const PEOPLE: Readonly<Record<Language, readonly Person[]>> = {
  en: people(['she', 'he'], 'Mia Anna Lily Emma Nora Ruth Jane Rosa', 'Tom Ben Sam Jack Leo Max Paul Dan'),
  zh: people(['她', '他'], '小红 小兰 小玉 小梅 小雪 小芳 小云 小燕', '小明 小刚 小强 小龙 小虎 小海 小山 小军'),
}

/** Things that can be carried, from the smallest to the largest. */
export const THINGS = words(
  ['bean', '豆子'],
  ['key', '钥匙'],
  ['pen', '钢笔'],
  ['bell', '铃铛'],
  ['cup', '杯子'],
  ['ball', '球'],
  ['book', '书'],
  ['shoe', '鞋'],
  ['doll', '娃娃'],
  ['clock', '钟'],
  ['hat', '帽子'],
  ['lamp', '灯'],
  ['bag', '书包'],
  ['coat', '外套'],
  ['kite', '风筝'],
  ['drum', '鼓'],
)

/** Animals, from the smallest to the largest: all larger than a bean, smaller than a house. */
export const ANIMALS = words(
  ['mouse', '老鼠'],
  ['bird', '小鸟'],
  ['duck', '鸭子'],
  ['rabbit', '兔子'],
  ['cat', '猫'],
  ['fox', '狐狸'],
  ['dog', '狗'],
  ['horse', '马'],
)

/** Colours. */
export const COLOURS = words(
  ['red', '红色'],
  ['blue', '蓝色'],
  ['green', '绿色'],
  ['white', '白色'],
  ['black', '黑色'],
  ['yellow', '黄色'],
  ['brown', '棕色'],
  ['pink', '粉色'],
)

/** Other qualities of things and animals. */
export const QUALITIES = words(
  ['old', '旧'],
  ['new', '新'],
  ['clean', '干净'],
  ['soft', '柔软'],
  ['heavy', '重'],
  ['light', '轻'],
)

/** Places that one can be in. */
export const PLACES = words(
  ['kitchen', '厨房'],
  ['garden', '花园'],
  ['school', '学校'],
  ['park', '公园'],
  ['shop', '商店'],
  ['forest', '树林'],
  ['barn', '谷仓'],
  ['library', '图书馆'],
  ['tent', '帐篷'],
  ['cave', '山洞'],
  ['hall', '大厅'],
  ['tower', '塔楼'],
)

/** Food that one counts; English in the plural. */
export const FOODS = words(
  ['apples', '苹果'],
  ['pears', '梨'],
  ['eggs', '鸡蛋'],
  ['cakes', '蛋糕'],
  ['nuts', '坚果'],
  ['plums', '李子'],
)

/** The weather of a day. */
export const WEATHER = words(
  ['sunny', '晴朗'],
  ['rainy', '下雨'],
  ['windy', '刮风'],
  ['snowy', '下雪'],
  ['cloudy', '多云'],
  ['warm', '暖和'],
)

/** How one feels. */
export const MOODS = words(
  ['happy', '高兴'],
  ['sad', '难过'],
  ['tired', '累'],
  ['proud', '骄傲'],
  ['calm', '平静'],
  ['hungry', '饿'],
)
