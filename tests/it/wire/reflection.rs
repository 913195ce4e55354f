//! Reflection: the schema is told to everybody, with what refusals carry.
use prost::Message;
use prost_types::FileDescriptorProto;

use crate::support::hub::Hub;

/// Asks for the services, and for the file that declares `google.rpc.ErrorInfo`, without a key.
macro_rules! reads_the_schema {
    ($hub:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let questions = [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned()),
        ]
        .map(|it| ServerReflectionRequest { host: String::new(), message_request: Some(it) });
        let nobody = $hub.nobody();
        let mut client = ServerReflectionClient::with_interceptor(nobody.channel, nobody.key);
        let asked = futures_util::stream::iter(questions);
        let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(services) = answer else { panic!("{answer:?}") };
        let mut names: Vec<_> = services.service.into_iter().map(|it| it.name).collect();
        names.retain(|it| it.starts_with("sharehub."));
        names.sort();
        let services = ["Access", "Audit", "Dossier", "Feed", "Hub", "Indicator", "Unit"];
        assert_eq!(names, services.map(|it| format!("sharehub.v1.{it}Service")));
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
        let file = FileDescriptorProto::decode(&*files.file_descriptor_proto[0]).unwrap();
        assert_eq!(file.name(), "google/rpc/error_details.proto");
    }};
}

#[tokio::test]
async fn the_schema_is_told_to_everybody_with_what_refusals_carry() {
    let hub = Hub::start().await;
    reads_the_schema!(hub, v1);
    reads_the_schema!(hub, v1alpha);
}
