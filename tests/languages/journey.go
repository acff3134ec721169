// The shop's journey with grpc-go and the stubs of protoc-gen-go and protoc-gen-go-grpc.
//
//	journey PRODUCT ORDER NOTIFICATION USER
//
// The arguments are the services' addresses; SHOP_LOGIN and SHOP_PASSWORD in the environment are
// those of a merchant. It ends with status 0 when every step was as promised.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	money "shop/mesh/type/v1"
	notification "shop/notification/v1"
	order "shop/order/v1"
	product "shop/product/v1"
	user "shop/user/v1"
)

const limit = 60 * time.Second // for everything

func dial(address string) *grpc.ClientConn {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	return conn
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(holds bool, what string, got any) {
	if !holds {
		log.Fatalf("not so: %s: %v", what, got)
	}
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// signIn is a context whose calls are the user's.
func signIn(ctx context.Context, address string) context.Context {
	users := user.NewUserServiceClient(dial(address))
	answer, err := users.SignInRegular(ctx, &user.SignInRequest{
		Login: os.Getenv("SHOP_LOGIN"), Password: os.Getenv("SHOP_PASSWORD"),
	})
	must(err)
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+answer.Tokens.AccessToken)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	products := product.NewProductServiceClient(dial(os.Args[1]))
	orders := order.NewOrderServiceClient(dial(os.Args[2]))
	notifications := notification.NewNotificationServiceClient(dial(os.Args[3]))
	_, err := orders.ListOrders(ctx, &order.ListOrdersRequest{})
	expect(status.Code(err) == codes.Unauthenticated, "nobody lists orders", err)
	ctx = signIn(ctx, os.Args[4])
	run := uuid()
	first, second := "odyssey-"+run, "nautilus-"+run

	for id, stock := range map[string]int32{first: 10, second: 5} {
		made, err := products.CreateProduct(ctx, &product.CreateProductRequest{
			Product: &product.Product{Id: id, Title: "Title of " + id, InStock: stock},
		})
		must(err)
		expect(made.Id == id && made.InStock == stock && made.CreateTime.IsValid(), "product", made)
	}

	stream, err := notifications.WatchNotifications(ctx, &notification.WatchNotificationsRequest{})
	must(err)
	begin, err := stream.Recv()
	must(err)
	expect(begin.Notification == nil, "the watch begins without a notification", begin)

	request := &order.CreateOrderRequest{RequestId: uuid(), Lines: []*order.OrderLine{
		{ProductId: first, Quantity: 2, Price: &money.Money{MinorUnits: 9999, Currency: "EUR"}},
		{ProductId: second, Quantity: 1, Price: &money.Money{MinorUnits: 1000, Currency: "EUR"}},
	}}
	made, err := orders.CreateOrder(ctx, request)
	must(err)
	expect(made.Total.MinorUnits == 20998 && made.Total.Currency == "EUR", "total", made)
	again, err := orders.CreateOrder(ctx, request)
	must(err)
	expect(again.Id == made.Id, "the same request_id makes no other order", again)

	read, err := orders.GetOrder(ctx, &order.GetOrderRequest{Id: made.Id})
	must(err)
	expect(len(read.Lines) == 2, "order", read)
	expect(read.Lines[0].Product.GetTitle() == "Title of "+first, "its product", read)

	for id, stock := range map[string]int32{first: 8, second: 4} {
		for {
			now, err := products.GetProduct(ctx, &product.GetProductRequest{Id: id})
			expect(err == nil, fmt.Sprintf("%s has %d in stock", id, stock), err)
			if now.InStock == stock {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}

	// Others may order, too.
	heard := &notification.Notification{}
	for heard.Resource != "orders/"+made.Id {
		message, err := stream.Recv()
		must(err)
		heard = message.Notification
	}
	expect(heard.Kind == notification.Notification_ORDER_CREATED, "kind", heard)
	page, err := notifications.ListNotifications(ctx, &notification.ListNotificationsRequest{})
	must(err)
	for _, one := range page.Notifications {
		if one.Id == heard.Id {
			return
		}
	}
	log.Fatalf("not so: the notification is listed: %v", page)
}
