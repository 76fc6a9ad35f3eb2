// Quickstart creates a customer and reads it back as it was at that moment.
//
//	./dev protos protos
//	protoc -Iprotos --go_out=. --go-grpc_out=. \
//	  --go_opt=Mretrace/v1/customers.proto=example.com/retrace/v1 ... protos/retrace/v1/*.proto
//	go run quickstart.go 127.0.0.1:7233 TOKEN TENANT
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	retrace "example.com/retrace/v1"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: quickstart ENDPOINT TOKEN TENANT")
	}
	endpoint, token, tenant := os.Args[1], os.Args[2], os.Args[3]
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	customers := retrace.NewCustomersClient(connection)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	created, err := customers.CreateCustomer(ctx, &retrace.CreateCustomerRequest{
		Parent:   "tenants/" + tenant,
		Customer: &retrace.Customer{OrganizationName: "Acme Corporation"},
		// Sent again under the same id after an UNAVAILABLE, the command still happens once.
		Options: &retrace.CommandOptions{RequestId: uuid.NewString(), Reason: "quickstart"},
	})
	if err != nil {
		log.Fatal(err)
	}
	read, err := customers.GetCustomer(ctx, &retrace.GetCustomerRequest{
		Name: created.Customer.Name,
		AsOf: &retrace.AsOf{Moment: &retrace.AsOf_Position{Position: created.Outcome.Position}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("#%d %s as of position %d\n",
		read.Customer.Number, read.Customer.DisplayName, read.Answered.Position)
}
