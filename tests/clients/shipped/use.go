// Does what each line of standard input says, with packaging/clients/client.go; see shipped.sh.
package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"clients/shardflake"
)

func ids(url, word string, count int) ([]string, error) {
	if word == "many" {
		return shardflake.IDs(url, count)
	}
	var all []string
	for len(all) < count {
		id, err := shardflake.NextID(url)
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, nil
}

func main() {
	var url, word, rest string
	for {
		if _, err := fmt.Scan(&word, &rest); err != nil {
			return
		}
		switch word {
		case "client":
			shardflake.Client.Timeout, shardflake.Patience = 30*time.Second, time.Minute
			url = "http://" + rest
		case "hasty":
			shardflake.Client.Timeout = time.Second
			url = "http://" + rest
		default:
			var count int
			fmt.Sscan(rest, &count)
			all, err := ids(url, word, count)
			refused := &shardflake.Error{Code: "-"}
			if errors.As(err, &refused); err != nil {
				fmt.Println("error", refused.Code, err)
			} else {
				fmt.Println(strings.Join(all, "\n"))
			}
		}
		fmt.Println("end")
	}
}
