// Says of each UUID on its standard input: version, variant, and for version 7 its milliseconds; of each
// ULID its milliseconds.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		text := lines.Text()
		if len(text) == ulid.EncodedSize {
			id := ulid.MustParseStrict(text)
			fmt.Println(id, id.Time())
			continue
		}
		id := uuid.MustParse(text)
		millis := int64(0)
		if id.Version() == 7 {
			sec, nsec := id.Time().UnixTime()
			millis = sec*1000 + nsec/1000000
		}
		fmt.Println(id, int(id.Version()), id.Variant() == uuid.RFC4122, millis)
	}
}
